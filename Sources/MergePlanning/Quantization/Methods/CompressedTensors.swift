import Checkpoints
import JSONText
import Safetensors

/// compressed-tensors and its formats. Source: compressed-tensors 0.20.0.
///
/// A config may name several schemes. Which one a weight has follows from its tensors: their names, dtypes and shapes must fit
/// one scheme alone, or all that they fit must give the same numbers.
struct CompressedTensors: QuantizationMethod {
  static let names = ["compressed-tensors"]
  static let fields: [QuantizationField]? =
    QuantizationField.used("quant_method", "config_groups", "format", "ignore", "transform_config")
    + QuantizationField.harmless(
      QuantizationField.toldByTensors, "quantization_status", "global_compression_ratio", "version")
    + QuantizationField.harmless(
      QuantizationField.loadingOnly, "run_compressed", "dequantize", "use_optimized_inference")
    + QuantizationField.kept("kv_cache_scheme")
    + QuantizationField.refused(
      "sparsity_config", unless: [.object([JSONMember(key: "format", value: .string("dense"))])],
      "codes from which zeros are left out, which are not decoded")
    + QuantizationField.refused("moe_sparsity_config", "zeros that are left out of experts")
  static let hasDefaultSkips = false

  static func skipList(_ source: QuantizationSource) -> String? { "ignore" }

  static func nestedFields(of config: JSONValue) -> [NestedFields] {
    guard case .object(let groups)? = config["config_groups"] else { return [] }
    return groups.flatMap { group in
      let path = ["config_groups", group.key]
      return [NestedFields(path: path, value: group.value, fields: schemeFields)]
        + [group.value["weights"]].compactMap { $0 }
        .map { NestedFields(path: path + ["weights"], value: $0, fields: weightFields) }
    }
  }

  /// Of one of `config_groups`.
  private static let schemeFields: [QuantizationField] =
    QuantizationField.used("targets", "weights", "format")
    + QuantizationField.harmless(QuantizationField.inputsOnly, "input_activations")
    + QuantizationField.refused("output_activations", "the outputs of quantized layers are rounded when the model runs")

  /// Of a group's `weights`.
  private static let weightFields: [QuantizationField] =
    QuantizationField.used("num_bits", "type", "symmetric", "group_size", "strategy", "block_structure")
    + QuantizationField.refused("dynamic", unless: [.bool(false)], "weights that are quantized when the model runs")
    + QuantizationField.harmless(QuantizationField.toldByTensors, "actorder", "scale_dtype", "zp_dtype")
    + QuantizationField.harmless(QuantizationField.makingOnly, "observer", "observer_kwargs")

  let search: CodedTensors

  /// What one of `config_groups` says of its weights.
  private struct Scheme {
    let format: String
    /// nil where the config says nothing.
    let bits: Int64?
    let isInteger: Bool?
    let strategy: String
    let group: Int?
    let block: (rows: Int, columns: Int)?
    let isSymmetric: Bool
  }

  private static let packedFormats = ["pack-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized"]
  private static let byteFormats = ["float-quantized", "int-quantized", "naive-quantized", "mxfp8-quantized"]

  func tensors() throws -> FoundTensors {
    let schemes = try schemes()
    var found = FoundTensors()
    let formats = Set(schemes.map(\.format))
    if !formats.isDisjoint(with: Self.byteFormats) {
      for location in search.locations(where: {
        ([.i8] + CodedTensors.float8).contains($0.header.tensors.dtype(at: $1))
      }) {
        let name = base.tensor(at: location).name.string
        if search.isScale(name) || name.hasSuffix("_zero_point") { continue }
        try found.add(name) { try byteGroup(location, schemes) }
      }
    }
    if !formats.isDisjoint(with: Self.packedFormats) {
      for location in search.locations(where: { $0.header.tensors.name(at: $1).string.hasSuffix(".weight_packed") }) {
        try found.add(base.tensor(at: location).name.string) { try packedGroup(location, schemes) }
      }
    }
    return found
  }

  private func schemes() throws(PlanError) -> [Scheme] {
    var whole: String?
    if case .string(let name)? = config["format"] { whole = name }
    var schemes: [Scheme] = []
    if case .object(let groups)? = config["config_groups"] {
      for group in groups {
        var format = whole
        if case .string(let name)? = group.value["format"] { format = name }
        guard let weights = group.value["weights"], weights != .null else { continue }
        guard let format else {
          throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "compressed-tensors, no format"))
        }
        schemes.append(try scheme(weights, format: format))
      }
    } else if let whole {
      schemes.append(try scheme(.null, format: whole))
    }
    let known = Set(Self.byteFormats + Self.packedFormats)
    for format in [whole].compactMap({ $0 }) + schemes.map(\.format)
    where !known.contains(format) && !(format == "mixed-precision" && schemes.allSatisfy { $0.format != format }) {
      throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "compressed-tensors, \(format)"))
    }
    guard !schemes.isEmpty else {
      throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "compressed-tensors, no format"))
    }
    return schemes
  }

  private func scheme(_ weights: JSONValue, format: String) throws(PlanError) -> Scheme {
    var strategy = ""
    if case .string(let name)? = weights["strategy"] { strategy = name }
    var bits: Int64?
    if case .integer(let count)? = weights["num_bits"] { bits = count }
    var group: Int?
    if case .integer(let size)? = weights["group_size"], size > 0, size <= Int64(Int32.max) { group = Int(size) }
    var type: Bool?
    if case .string(let name)? = weights["type"] { type = name == "int" }
    return Scheme(
      format: format, bits: bits, isInteger: type, strategy: strategy,
      group: group, block: try search.blockSize(weights["block_structure"])?.first,
      isSymmetric: weights["symmetric"] != .bool(false))
  }

  /// `X.weight` in codes of 8 bits with `X.weight_scale`.
  private func byteGroup(
    _ location: Checkpoint.Location, _ schemes: [Scheme]
  ) throws(PlanError) -> QuantizedTensor {
    let info = base.tensor(at: location)
    let name = info.name.string
    let scales = try search.scales(of: location, names: ["\(name)_scale"])
    let zeros = base.location(of: TensorName("\(name)_zero_point"))
    let isInteger = info.dtype == .i8
    let fitting = schemes.filter { scheme in
      guard Self.byteFormats.contains(scheme.format), scheme.bits ?? 8 == 8, scheme.isInteger ?? isInteger == isInteger,
        ["", "tensor", "channel", "group", "block"].contains(scheme.strategy)
      else { return false }
      switch scheme.format {
      case "float-quantized": return info.dtype == .f8E4M3
      case "int-quantized": return isInteger
      case "mxfp8-quantized": return info.dtype == .f8E4M3 && [.u8, .f8E8M0].contains(base.tensor(at: scales).dtype)
      default: return isInteger || info.dtype == .f8E4M3
      }
    }
    guard !fitting.isEmpty else {
      throw search.error(
        location,
        .quantizedScheme("\(info.dtype.name), which no scheme of \(schemes.map(\.format).joined(separator: ", ")) is"))
    }
    // By the shape of the scales: blocks, groups along the rows, rows, or one for all.
    let columns = info.shape.last ?? 0
    let rows = info.shape.dropLast().last ?? 0
    var blocks = fitting.compactMap(\.block)
    blocks += fitting.compactMap { scheme in scheme.group.map { (1, $0) } }
    if fitting.contains(where: { $0.format == "mxfp8-quantized" }) { blocks.append((1, 32)) }
    let shape = base.tensor(at: scales).shape.suffix(2)
    let candidates = blocks.map {
      QuantizedWeight.Grid(blockRows: $0.rows, blockColumns: $0.columns, rows: rows, columns: columns)
    }.filter { [$0.scaleRows, $0.scaleColumns] == Array(shape) }
    guard candidates.allSatisfy({ $0 == candidates[0] }) else {
      throw search.error(location, .quantizedScheme("scales that fit more than one scheme of config.json"))
    }
    let grid = try search.grid(of: info, location, scales: scales, blocks: blocks)
    if let zeros {
      guard isInteger, fitting.contains(where: { !$0.isSymmetric }) else {
        throw search.error(zeros, .quantizedScheme("zero points that config.json does not know of"))
      }
      try search.check(zeros, dtypes: [.i8], shapes: [base.tensor(at: scales).shape], of: location)
    } else if !fitting.contains(where: \.isSymmetric) {
      throw search.error(location, .quantizedPart("\(name)_zero_point", found: nil, expected: "with the codes"))
    }
    let own = base.tensor(at: scales).dtype
    // Scales that are exponents are decoded to BF16, and so is what they scale.
    let isExponent = [.u8, .f8E8M0].contains(own)
    let numbers: DType = isExponent ? .bf16 : own == .bf16 || own == .f16 ? own : dtype
    return search.byteGroup(location, grid, scales, dtype: numbers, zeros: zeros)
  }

  /// `X.weight_packed`, codes of fewer bits than a byte or in words of 32 bits, with `X.weight_scale`.
  private func packedGroup(_ location: Checkpoint.Location, _ schemes: [Scheme]) throws -> QuantizedTensor {
    let info = base.tensor(at: location)
    let module = String(info.name.string.dropLast("weight_packed".count))
    guard [.i32, .u8].contains(info.dtype), info.shape.count == 2, info.shape[1] <= Int.max / 32,
      base.location(of: TensorName(module + "weight")) == nil
    else { throw search.error(location, .quantizedScheme("packed codes of \(info.dtype.name) \(info.shape)")) }
    if let order = base.location(of: TensorName(module + "weight_g_idx")) {
      throw search.error(order, .quantizedScheme("columns in an order of their own"))
    }
    let scales = try search.part(module + "weight_scale", of: location)
    if info.dtype == .u8 { return try fourBitGroup(location, module, scales, schemes) }
    let written = try search.part(module + "weight_shape", of: location)
    let shape = try integers(written, count: 2)
    let zeros = base.location(of: TensorName(module + "weight_zero_point"))
    let scaleInfo = base.tensor(at: scales)
    let known = schemes.filter(Self.isKnown)
    guard !known.isEmpty else {
      throw search.error(location, .quantizedScheme("packed codes, of which no scheme of config.json is decoded"))
    }
    if let zeros, known.allSatisfy(\.isSymmetric) {
      throw search.error(zeros, .quantizedScheme("zero points that config.json does not know of"))
    }
    var fitting: [(scheme: Scheme, grid: QuantizedWeight.Grid)] = []
    for scheme in known {
      guard let bits = scheme.bits, shape[1] > 0, shape[0] == info.shape[0],
        (shape[1] - 1) / (32 / Int(bits)) + 1 == info.shape[1], scheme.isSymmetric == (zeros == nil)
      else { continue }
      let isSingle = scheme.strategy != "group" && scaleInfo.elementCount == 1
      let grid = QuantizedWeight.Grid(
        blockRows: isSingle ? max(shape[0], 1) : 1,
        blockColumns: scheme.strategy == "group" ? scheme.group ?? shape[1] : shape[1], rows: shape[0],
        columns: shape[1])
      guard
        scaleInfo.shape == [grid.scaleRows, grid.scaleColumns] || (isSingle && [[1], []].contains(scaleInfo.shape))
      else { continue }
      fitting.append((scheme, grid))
    }
    guard let first = fitting.first else {
      throw search.error(
        location,
        .quantizedPart(
          info.name.string,
          found: "\(info.dtype.name) \(info.shape) for \(shape), with scales of \(scaleInfo.shape) and "
            + (zeros == nil ? "no zero points" : "zero points"), expected: "as a scheme of config.json says"))
    }
    guard fitting.allSatisfy({ $0.grid == first.grid && $0.scheme.bits == first.scheme.bits }) else {
      throw search.error(location, .quantizedScheme("codes that fit more than one scheme of config.json"))
    }
    try search.check(scales, dtypes: [.bf16, .f16, .f32], shapes: [scaleInfo.shape], of: location)
    let (grid, bits) = (first.grid, Int(first.scheme.bits ?? 4))
    if let zeros {
      let words = (grid.scaleRows + 32 / bits - 1) / (32 / bits)
      try search.check(zeros, dtypes: [.i32], shapes: [[words, grid.scaleColumns]], of: location)
    }
    let dtype = scaleInfo.dtype != .f32 ? scaleInfo.dtype : dtype
    let weight = QuantizedWeight(
      format: .packedRows(
        QuantizedWeight.PackedRows(
          numbers: .integers(bits: bits, offset: 1 << (bits - 1)), grid: grid, rowByteCount: info.shape[1] * 4,
          zeros: zeros.map { search.source($0) })), dtype: dtype, codes: search.source(location),
      scales: search.source(scales), map: nil)
    return QuantizedTensor(
      name: TensorName(module + "weight"), dtype: dtype, shape: shape, weight: weight, location: location,
      parts: [written, scales] + [zeros].compactMap { $0 })
  }

  /// Whether packed integers of the scheme are decoded.
  private static func isKnown(_ scheme: Scheme) -> Bool {
    guard scheme.format == "pack-quantized", scheme.isInteger != false, [2, 4, 8].contains(scheme.bits),
      ["", "tensor", "channel", "group"].contains(scheme.strategy)
    else { return false }
    return scheme.strategy != "group" || scheme.group != nil
  }

  /// Two numbers of E2M1 a byte: NVFP4 with a scale for the whole beside those of 16, MXFP4 with exponents for 32.
  private func fourBitGroup(
    _ location: Checkpoint.Location, _ module: String, _ scales: Checkpoint.Location, _ schemes: [Scheme]
  ) throws(PlanError) -> QuantizedTensor {
    let isExponent = [.u8, .f8E8M0].contains(base.tensor(at: scales).dtype)
    let (format, group) = isExponent ? ("mxfp4-pack-quantized", 32) : ("nvfp4-pack-quantized", 16)
    guard
      schemes.contains(where: {
        $0.format == format && $0.isInteger != true && $0.bits ?? 4 == 4 && $0.group ?? group == group
      })
    else { throw search.error(location, .quantizedScheme("codes of \(format), which config.json does not know of")) }
    let global = isExponent ? nil : try search.part(module + "weight_global_scale", of: location)
    return try search.fourBitRowGroup(
      location, scales, group: group, name: TensorName(module + "weight"), global: global.map { ($0, true) },
      dtype: .bf16)
  }

  /// The values of a small tensor of integers, none negative.
  private func integers(_ location: Checkpoint.Location, count: Int) throws -> [Int] {
    let info = base.tensor(at: location)
    guard [.i64, .i32].contains(info.dtype), info.elementCount == count else {
      throw search.error(location, .quantizedScheme("a shape that is \(info.dtype.name) \(info.shape)"))
    }
    let size = info.dtype.bitCount / 8
    let bytes = try search.bytes(location)
    let values = (0..<count).map { index in
      bytes[index * size..<(index + 1) * size].reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
    }
    guard values.allSatisfy({ (0...1 << 31).contains($0) }) else {
      throw search.error(location, .quantizedScheme("a shape of \(values)"))
    }
    return values.map { Int($0) }
  }
}
