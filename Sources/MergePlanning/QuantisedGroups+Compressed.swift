import Checkpoints
import JSONText
import Safetensors

/// compressed-tensors and its formats. Source: compressed-tensors 0.20.0.
extension QuantisedGroups {
  enum CompressedScheme: Equatable {
    /// Codes of 8 bits in this dtype, with a scale for the tensor, a row or a block.
    case byte(DType)
    /// Integers of 4 bits. `group` nil: a scale for the row, or the tensor.
    case integers(group: Int?, isSymmetric: Bool)
    /// NVFP4.
    case e2m1
  }

  /// What config.json says; all weights must be of one scheme.
  func compressedScheme() throws(PlanError) -> CompressedScheme {
    let names = formats
    guard let format = names.first else {
      throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "compressed-tensors, no format"))
    }
    if let other = names.first(where: { $0 != format }) {
      throw PlanError(path: configPath, tensor: nil, .quantisedScheme("both \(format) and \(other)"))
    }
    let schemes = weightSchemes
    var found: [CompressedScheme] = []
    for scheme in schemes.isEmpty ? [.null] : schemes { found.append(try self.scheme(scheme, format: format)) }
    guard found.allSatisfy({ $0 == found[0] }) else {
      throw PlanError(path: configPath, tensor: nil, .quantisedScheme("more than one scheme of \(format)"))
    }
    return found[0]
  }

  private var formats: [String] {
    var formats = [config["format"]]
    if case .object(let groups)? = config["config_groups"] { formats += groups.map { $0.value["format"] } }
    return formats.compactMap { if case .string(let name)? = $0 { name } else { nil } }
  }

  private func scheme(_ weights: JSONValue, format: String) throws(PlanError) -> CompressedScheme {
    func refused(_ what: String) -> PlanError {
      PlanError(path: configPath, tensor: nil, .quantisedScheme("\(format) and \(what)"))
    }
    var strategy = ""
    if case .string(let name)? = weights["strategy"] { strategy = name }
    func require(_ type: String, _ bits: Int64, _ strategies: [String]) throws(PlanError) {
      guard weights != .null else { return }
      guard weights["type"] == .string(type), weights["num_bits"] == .integer(bits) else {
        throw refused("weights that are not \(type) of \(bits) bits")
      }
      guard strategy.isEmpty || strategies.contains(strategy) else { throw refused("the strategy \"\(strategy)\"") }
    }
    switch format {
    case "float-quantized":
      try require("float", 8, ["tensor", "channel", "block"])
      return .byte(.f8E4M3)
    case "int-quantized":
      try require("int", 8, ["tensor", "channel"])
      guard weights["symmetric"] != .bool(false) else { throw refused("zero points") }
      return .byte(.i8)
    case "pack-quantized":
      try require("int", 4, ["tensor", "channel", "group"])
      guard weights != .null else { throw refused("no scheme") }
      guard strategy == "group" else { return .integers(group: nil, isSymmetric: weights["symmetric"] != .bool(false)) }
      guard case .integer(let size)? = weights["group_size"], size > 0, size <= Int64(Int32.max) else {
        throw refused("no group_size")
      }
      return .integers(group: Int(size), isSymmetric: weights["symmetric"] != .bool(false))
    case "nvfp4-pack-quantized":
      try require("float", 4, ["tensor_group"])
      guard weights == .null || weights["group_size"] == .integer(16) else { throw refused("groups of other than 16") }
      return .e2m1
    default: throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "compressed-tensors, \(format)"))
    }
  }

  /// `X.weight_packed`, two codes a byte, with `X.weight_scale`: the weight is `X.weight`.
  ///
  /// - Parameter group: Columns that share a scale; nil: all.
  func packedGroups(
    numbers: QuantisedWeight.PackedRows.Numbers, group: Int?, isSymmetric: Bool
  ) throws -> [QuantisedBase.Group] {
    var groups: [QuantisedBase.Group] = []
    for location in locations(where: { $0.header.tensors.name(at: $1).string.hasSuffix(".weight_packed") }) {
      let info = base.tensor(at: location)
      let module = String(info.name.string.dropLast("weight_packed".count))
      let isInteger = numbers == .integers
      guard info.dtype == (isInteger ? .i32 : .u8), info.shape.count == 2, info.shape[1] <= Int.max / 8,
        base.location(of: TensorName(module + "weight")) == nil
      else { throw error(location, .quantisedScheme("packed codes of \(info.dtype.name) \(info.shape)")) }
      var parts: [Checkpoint.Location] = []
      var shape = [info.shape[0], info.shape[1] * 2]
      if isInteger {
        let written = try part(module + "weight_shape", of: location)
        parts.append(written)
        shape = try integers(written, count: 2)
        guard shape[0] == info.shape[0], shape[1] > 0, (shape[1] - 1) / 8 + 1 == info.shape[1] else {
          throw error(
            location,
            .quantisedPart(
              info.name.string, found: "\(info.dtype.name) \(info.shape)", expected: "eight codes a word for \(shape)"))
        }
      }
      if let order = base.location(of: TensorName(module + "weight_g_idx")) {
        throw error(order, .quantisedScheme("columns in an order of their own"))
      }
      let scales = try part(module + "weight_scale", of: location)
      parts.append(scales)
      let scaleInfo = base.tensor(at: scales)
      let isSingle = group == nil && scaleInfo.shape.reduce(1, &*) == 1
      let grid = QuantisedWeight.Grid(
        blockRows: isSingle ? max(shape[0], 1) : 1, blockColumns: group ?? max(shape[1], 1), rows: shape[0],
        columns: shape[1])
      var shapes = [[grid.scaleRows, grid.scaleColumns]]
      if isSingle { shapes += [[1], []] }
      try check(scales, dtypes: isInteger ? [.bf16, .f16, .f32] : [.f8E4M3], shapes: shapes, of: location)
      var zeros: MergePlan.Source?
      if !isSymmetric {
        let found = try part(module + "weight_zero_point", of: location)
        try check(found, dtypes: [.i32], shapes: [[(grid.scaleRows + 7) / 8, grid.scaleColumns]], of: location)
        zeros = source(found)
        parts.append(found)
      } else if let found = base.location(of: TensorName(module + "weight_zero_point")) {
        throw error(found, .quantisedScheme("zero points that config.json does not know of"))
      }
      var globalScale: MergePlan.Source?
      if !isInteger {
        let found = try part(module + "weight_global_scale", of: location)
        try check(found, dtypes: [.f32], shapes: [[1], []], of: location)
        globalScale = source(found)
        parts.append(found)
      }
      parts += ["input_scale", "input_global_scale", "input_zero_point"].compactMap {
        base.location(of: TensorName(module + $0))
      }
      let dtype = isInteger && scaleInfo.dtype != .f32 ? scaleInfo.dtype : dtype
      let weight = QuantisedWeight(
        format: .packedRows(
          QuantisedWeight.PackedRows(
            numbers: numbers, grid: grid, rowByteCount: info.byteCount / max(info.shape[0], 1), zeros: zeros,
            globalScale: globalScale)),
        dtype: isInteger ? dtype : .bf16, codes: source(location), scales: source(scales), map: nil)
      groups.append(
        QuantisedBase.Group(
          name: TensorName(module + "weight"), dtype: weight.dtype, shape: shape, weight: weight, location: location,
          parts: parts))
    }
    return groups
  }

  /// The values of a small tensor of integers, none negative.
  private func integers(_ location: Checkpoint.Location, count: Int) throws -> [Int] {
    let info = base.tensor(at: location)
    guard [.i64, .i32].contains(info.dtype), info.elementCount == count else {
      throw error(location, .quantisedScheme("a shape that is \(info.dtype.name) \(info.shape)"))
    }
    let size = info.dtype.bitCount / 8
    let bytes = try self.bytes(location)
    let values = (0..<count).map { index in
      bytes[index * size..<(index + 1) * size].reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
    }
    guard values.allSatisfy({ (0...1 << 31).contains($0) }) else {
      throw error(location, .quantisedScheme("a shape of \(values)"))
    }
    return values.map { Int($0) }
  }
}
