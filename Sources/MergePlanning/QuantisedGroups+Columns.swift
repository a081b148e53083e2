import Checkpoints
import JSONText
import Safetensors

/// GPTQ and AWQ with codes of 4 bits. Source: GPTQModel, AutoGPTQ 0.7 and AutoAWQ 0.2; transformers reads both by GPTQModel.
extension QuantisedGroups {
  /// `X.qweight`, `X.qzeros`, `X.scales` and, of GPTQ, `X.g_idx`: the weight is `X.weight`, transposed.
  func columnGroups() throws(PlanError) -> [QuantisedBase.Group] {
    let isGPTQ = method == "gptq"
    let configured = try checkColumnScheme()
    var groups: [QuantisedBase.Group] = []
    for location in locations(where: { $0.header.tensors.name(at: $1).string.hasSuffix(".qweight") }) {
      let info = base.tensor(at: location)
      let module = String(info.name.string.dropLast("qweight".count))
      guard info.dtype == .i32, info.shape.count == 2, info.shape.allSatisfy({ $0 > 0 && $0 <= 1 << 40 }),
        base.location(of: TensorName(module + "weight")) == nil
      else { throw error(location, .quantisedScheme("packed codes of \(info.dtype.name) \(info.shape)")) }
      let columns = isGPTQ ? info.shape[0] * 8 : info.shape[0]
      let rows = isGPTQ ? info.shape[1] : info.shape[1] * 8
      guard rows % 8 == 0, columns % 8 == 0 else {
        throw error(location, .quantisedScheme("packed codes of \(rows) rows and \(columns) columns"))
      }
      let group = configured ?? columns
      let count = (columns - 1) / group + 1
      let scales = try part(module + "scales", of: location)
      try check(scales, dtypes: [.f16, .bf16, .f32], shapes: [[count, rows]], of: location)
      let zeros = try part(module + "qzeros", of: location)
      try check(zeros, dtypes: [.i32], shapes: [[count, rows / 8]], of: location)
      let order = base.location(of: TensorName(module + "g_idx"))
      if let order { try check(order, dtypes: [.i32], shapes: [[columns]], of: location) }
      if order == nil, isGPTQ, config["desc_act"] == .bool(true) {
        throw error(location, .quantisedPart(module + "g_idx", found: nil, expected: "with desc_act"))
      }
      let own = base.tensor(at: scales).dtype
      let weight = QuantisedWeight(
        format: .packedColumns(
          QuantisedWeight.PackedColumns(
            order: isGPTQ ? .gptq : .awq, rows: rows, columns: columns, group: group, zeros: source(zeros),
            areZerosOneLess: isGPTQ && layouts != ["gptq_v2"],
            groupOfColumn: order.map { source($0) })),
        dtype: own == .f32 ? dtype : own, codes: source(location), scales: source(scales), map: nil)
      groups.append(
        QuantisedBase.Group(
          name: TensorName(module + "weight"), dtype: weight.dtype, shape: [rows, columns], weight: weight,
          location: location, parts: [scales, zeros] + [order].compactMap { $0 }))
    }
    return groups
  }

  /// What config.json calls the order of the words; versions of the quantisers have it under other keys.
  private var layouts: Set<String> {
    let keys = [method == "gptq" ? "checkpoint_format" : "version", "format"]
    return Set(keys.compactMap { if case .string(let name)? = config[$0] { name.lowercased() } else { nil } })
  }

  /// - Returns: Columns that share a scale; nil: all.
  private func checkColumnScheme() throws(PlanError) -> Int? {
    func refused(_ what: String) -> PlanError {
      PlanError(path: configPath, tensor: nil, .quantizedBase(method: "\(method), \(what)"))
    }
    let bits = config["bits"] ?? config["w_bit"]
    guard bits == .integer(4) else { throw refused("codes that are not of 4 bits") }
    let known = method == "gptq" ? ["gptq", "gptq_v2"] : ["gemm"]
    guard layouts.count <= 1, layouts.isSubset(of: known) else {
      throw refused(layouts.sorted().joined(separator: " and "))
    }
    if case .object(let rules)? = config["dynamic"], !rules.isEmpty, rules.contains(where: { !$0.key.hasPrefix("-:") })
    {
      throw refused("modules with schemes of their own")
    }
    guard case .integer(let size)? = config["group_size"] ?? config["q_group_size"], size > 0 || size == -1,
      size <= Int64(Int32.max)
    else { throw refused("no group_size") }
    return size == -1 ? nil : Int(size)
  }
}
