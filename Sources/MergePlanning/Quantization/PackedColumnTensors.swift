import Checkpoints
import JSONText
import Safetensors

/// GPTQ, AWQ and AutoRound, which writes both. Source: GPTQModel 7.7, AutoGPTQ 0.7, AutoAWQ 0.2, AutoRound 0.16;
/// transformers reads GPTQ and AWQ by GPTQModel.
struct PackedColumnTensors {
  let search: CodedTensors

  private var base: Checkpoint { search.base }
  private var config: JSONValue { search.config }
  private var configPath: String { search.configPath }
  private var method: String { search.method }
  private var dtype: DType { search.dtype }

  /// How the words of a base are laid out.
  private struct ColumnScheme {
    let order: QuantizedWeight.PackedColumns.Order
    let bits: Int
    /// Columns that share a scale; nil: all.
    let group: Int?
    let zeros: QuantizedWeight.PackedColumns.Zeros
    /// What every zero point must be; nil: whatever the file says.
    let onlyZero: Int?
  }

  /// `X.qweight`, `X.qzeros`, `X.scales` and, of GPTQ, `X.g_idx`: the weight is `X.weight`, transposed.
  func tensors() throws -> FoundTensors {
    let scheme = try columnScheme()
    var found = FoundTensors()
    for location in search.locations(where: { $0.header.tensors.name(at: $1).string.hasSuffix(".qweight") }) {
      try found.add(base.tensor(at: location).name.string) { try columnGroup(location, scheme) }
    }
    return found
  }

  private func columnGroup(
    _ location: Checkpoint.Location, _ scheme: ColumnScheme
  ) throws(PlanError) -> QuantizedTensor {
    let info = base.tensor(at: location)
    let module = String(info.name.string.dropLast("qweight".count))
    let isGPTQ = scheme.order == .gptq
    guard info.dtype == .i32, info.shape.count == 2, info.shape.allSatisfy({ $0 > 0 && $0 <= 1 << 40 }),
      base.location(of: TensorName(module + "weight")) == nil,
      !isGPTQ || info.shape[0] * 32 % scheme.bits == 0
    else { throw search.error(location, .quantizedScheme("packed codes of \(info.dtype.name) \(info.shape)")) }
    let columns = isGPTQ ? info.shape[0] * 32 / scheme.bits : info.shape[0]
    let rows = isGPTQ ? info.shape[1] : info.shape[1] * 32 / scheme.bits
    guard rows * scheme.bits % 32 == 0, columns * scheme.bits % 32 == 0 else {
      throw search.error(location, .quantizedScheme("packed codes of \(rows) rows and \(columns) columns"))
    }
    let group = scheme.group ?? columns
    let count = (columns - 1) / group + 1
    let scales = try search.part(module + "scales", of: location)
    try search.check(scales, dtypes: [.f16, .bf16, .f32], shapes: [[count, rows]], of: location)
    let zeros = try search.part(module + "qzeros", of: location)
    try search.check(zeros, dtypes: [.i32], shapes: [[count, rows * scheme.bits / 32]], of: location)
    let order = base.location(of: TensorName(module + "g_idx"))
    if let order { try search.check(order, dtypes: [.i32], shapes: [[columns]], of: location) }
    if order == nil, method == "gptq", config["desc_act"] == .bool(true) {
      throw search.error(location, .quantizedPart(module + "g_idx", found: nil, expected: "with desc_act"))
    }
    let own = base.tensor(at: scales).dtype
    let weight = QuantizedWeight(
      format: .packedColumns(
        QuantizedWeight.PackedColumns(
          order: scheme.order, bits: scheme.bits, rows: rows, columns: columns, group: group,
          zeros: search.source(zeros),
          storedZeros: scheme.zeros, onlyZero: scheme.onlyZero, groupOfColumn: order.map { search.source($0) })),
      dtype: own == .f32 ? dtype : own, codes: search.source(location), scales: search.source(scales), map: nil)
    return QuantizedTensor(
      name: TensorName(module + "weight"), dtype: weight.dtype, shape: [rows, columns], weight: weight,
      location: location, parts: [scales, zeros] + [order].compactMap { $0 })
  }

  /// What config.json calls the order of the words; versions of the quantizers have it under other keys.
  private var layouts: Set<String> {
    let keys = method == "gptq" ? ["checkpoint_format", "format"] : ["version", "format", "checkpoint_format"]
    return Set(keys.compactMap { if case .string(let name)? = config[$0] { name.lowercased() } else { nil } })
  }

  private func refused(_ what: String) -> PlanError {
    PlanError(path: configPath, tensor: nil, .quantizedBase(method: "\(method), \(what)"))
  }

  private func columnScheme() throws(PlanError) -> ColumnScheme {
    let layout = try columnLayout()
    guard case .integer(let bits)? = config["bits"] ?? config["w_bit"],
      (layout.order == .gptq ? [2, 4, 8] : [4]).contains(bits)
    else { throw refused("codes of \(config["bits"].map { "\($0)" } ?? "unknown") bits") }
    if case .object(let rules)? = config["dynamic"], rules.contains(where: { !$0.key.hasPrefix("-:") }) {
      throw refused("modules with schemes of their own")
    }
    if case .object(let rules)? = config["extra_config"],
      let rule = rules.first(where: { !Self.isUnquantized($0.value) })
    {
      throw refused("\(rule.key) with a scheme of its own")
    }
    guard case .integer(let size)? = config["group_size"] ?? config["q_group_size"], size > 0 || size == -1,
      size <= Int64(Int32.max)
    else { throw refused("no group_size") }
    // A symmetric quantizer has one zero point, the middle of the codes.
    let isSymmetric = config["sym"] == .bool(true)
    return ColumnScheme(
      order: layout.order, bits: Int(bits), group: size == -1 ? nil : Int(size), zeros: layout.zeros,
      onlyZero: isSymmetric ? 1 << (Int(bits) - 1) : nil)
  }

  /// A module that AutoRound leaves in 16 bits or more.
  private static func isUnquantized(_ rule: JSONValue) -> Bool {
    guard case .integer(let bits)? = rule["bits"] else { return false }
    return bits >= 16
  }

  private func columnLayout() throws(PlanError) -> (
    order: QuantizedWeight.PackedColumns.Order, zeros: QuantizedWeight.PackedColumns.Zeros
  ) {
    switch method {
    case "gptq":
      guard layouts.count <= 1, layouts.isSubset(of: ["gptq", "gptq_v2"]) else {
        throw refused(layouts.sorted().joined(separator: " and "))
      }
      if layouts == ["gptq_v2"] { return (.gptq, .plain) }
      return (.gptq, isWrittenByGPTQModel ? .lessOneByWord : .lessOne)
    case "awq":
      guard layouts.isSubset(of: ["gemm"]) else { throw refused(layouts.sorted().joined(separator: " and ")) }
      return (.awq, .plain)
    default:
      var packing: String?
      for key in ["packing_format", "backend"] {
        if packing == nil, case .string(let name)? = config[key] { packing = name.lowercased() }
      }
      guard let packing else { throw refused("no packing_format") }
      // Versions name the kernel behind it: `auto_round:gptq:exllamav2`.
      switch packing.split(separator: ":").prefix(2).joined(separator: ":") {
      case "auto_round:auto_gptq", "auto_round:gptq": return (.gptq, .lessOne)
      case "auto_round:auto_awq", "auto_round:awq": return (.awq, .plain)
      default: throw refused("the packing_format \"\(packing)\"")
      }
    }
  }

  /// GPTQModel subtracts one of whole words, so that a zero point of 0 borrows from its neighbor, and adds it again when it
  /// reads. Others write something else there.
  private var isWrittenByGPTQModel: Bool {
    var names: [JSONValue] = [config["quantizer"], config["meta"]?["quantizer"]].compactMap { $0 }
    for case .array(let entries) in names { names += entries }
    return names.contains { if case .string(let name) = $0 { name.lowercased().hasPrefix("gptqmodel") } else { false } }
  }
}
