import Checkpoints
import JSONText
import Safetensors

extension QuantizedTensors {
  /// The text of a quant_state is a few hundred bytes.
  private static let largestStateByteCount = 64 << 10

  /// NF4 and FP4 of bitsandbytes: `weight`, `weight.absmax`, `weight.quant_map` and a text, and with nested statistics
  /// `weight.nested_absmax` and `weight.nested_quant_map`.
  func fourBitGroups() throws -> Found {
    var found = Found()
    let marker = ".quant_state.bitsandbytes__"
    let endings = QuantizedWeight.FourBitCodebook.allCases.map { ($0, marker + $0.rawValue) }
    for file in base.files.indices {
      let tensors = base.files[file].header.tensors
      for index in tensors.indices {
        let name = tensors.name(at: index).string
        guard let (nibbles, ending) = endings.first(where: { name.hasSuffix($0.1) }) else { continue }
        let location = Checkpoint.Location(file: file, index: index)
        let weight = String(name.dropLast(ending.count))
        try found.add(weight) { try fourBitGroup(weight, nibbles, state: location) }
      }
    }
    let known = Set(found.groups.map(\.name))
    for location in locations(where: { $0.header.tensors.name(at: $1).string.hasSuffix(".absmax") }) {
      let name = String(base.tensor(at: location).name.string.dropLast(".absmax".count))
      guard !known.contains(TensorName(name)), let codes = base.location(of: TensorName(name)),
        found.problems[QuantizedBase.module(of: name)] == nil
      else { continue }
      try found.add(name) {
        throw error(codes, .quantizedPart("\(name)\(marker)nf4", found: nil, expected: "with the codes"))
      }
    }
    return found
  }

  private func fourBitGroup(
    _ name: String, _ nibbles: QuantizedWeight.FourBitCodebook, state: Checkpoint.Location
  ) throws -> QuantizedBase.Group {
    guard let codes = base.location(of: TensorName(name)) else {
      throw error(state, .quantizedPart(name, found: nil, expected: "beside it"))
    }
    let text = try self.state(state)
    guard text["quant_type"] == .string(nibbles.rawValue), case .string(let typeName)? = text["dtype"],
      let dtype = Self.dtype(named: typeName), case .integer(let block)? = text["blocksize"],
      [32, 64, 128, 256, 512, 1024, 2048, 4096].contains(block), case .array(let dimensions)? = text["shape"]
    else { throw error(state, .quantizedScheme("a quant_state without quant_type, dtype, blocksize or shape")) }
    var shape: [Int] = []
    var count = 1
    for dimension in dimensions {
      guard case .integer(let size) = dimension, size > 0, size < 1 << 40,
        case (let product, let overflow) = count.multipliedReportingOverflow(by: Int(size)), !overflow
      else { throw error(state, .quantizedScheme("a quant_state with the shape of no weight")) }
      count = product
      shape.append(Int(size))
    }
    guard shape.count >= 2 else { throw error(state, .quantizedScheme("a quant_state with the shape \(shape)")) }
    // Where codes are kept in another dtype (`bnb_4bit_quant_storage`), their bytes are the same.
    let info = base.tensor(at: codes)
    guard info.byteCount == (count - 1) / 2 + 1 else {
      throw error(
        codes,
        .quantizedPart(
          name, found: "\(info.byteCount) bytes", expected: "\((count - 1) / 2 + 1) for \(shape)"))
    }
    let blocks = (count - 1) / Int(block) + 1
    let scales = try part("\(name).absmax", of: codes)
    let map = try part("\(name).quant_map", of: codes)
    try check(map, dtypes: [.f32], shapes: [[16]], of: codes)
    var parts = [scales, map, state]
    var nested: QuantizedWeight.Nested?
    if text["nested_blocksize"] != nil || base.location(of: TensorName("\(name).nested_absmax")) != nil {
      guard case .integer(let nestedBlock)? = text["nested_blocksize"], nestedBlock > 0,
        text["nested_dtype"] == .string("float32"), let offset = Self.number(text["nested_offset"])
      else {
        throw error(state, .quantizedScheme("a quant_state without nested_blocksize, nested_dtype or nested_offset"))
      }
      try check(scales, dtypes: [.u8], shapes: [[blocks]], of: codes)
      let nestedScales = try part("\(name).nested_absmax", of: codes)
      try check(nestedScales, dtypes: [.f32], shapes: [[(blocks - 1) / Int(nestedBlock) + 1]], of: codes)
      let nestedMap = try part("\(name).nested_quant_map", of: codes)
      try check(nestedMap, dtypes: [.f32], shapes: [[256]], of: codes)
      parts += [nestedScales, nestedMap]
      nested = QuantizedWeight.Nested(
        scales: source(nestedScales), block: Int(nestedBlock), map: source(nestedMap), offset: Float(offset))
    } else {
      try check(scales, dtypes: [.f32], shapes: [[blocks]], of: codes)
    }
    let weight = QuantizedWeight(
      format: .nibbles(nibbles, block: Int(block), nested: nested), dtype: dtype, codes: source(codes),
      scales: source(scales), map: source(map))
    return QuantizedBase.Group(
      name: info.name, dtype: dtype, shape: shape, weight: weight, location: codes, parts: parts)
  }

  private static func number(_ value: JSONValue?) -> Double? {
    switch value {
    case .real(let number): number
    case .integer(let number): Double(number)
    default: nil
    }
  }

  /// The JSON text that a tensor of bytes holds.
  private func state(_ location: Checkpoint.Location) throws -> JSONValue {
    let info = base.tensor(at: location)
    guard info.dtype == .u8, info.byteCount > 0, info.byteCount <= Self.largestStateByteCount else {
      throw error(location, .quantizedScheme("a quant_state of \(info.dtype.name) \(info.shape)"))
    }
    let bytes = try bytes(location)
    do throws(JSONError) { return try JSONParser.parse(bytes.span) } catch {
      throw self.error(location, .quantizedScheme("a quant_state that is no JSON text"))
    }
  }

  /// int8 of bitsandbytes: `weight`, and `SCB` with the largest magnitude of each row.
  func int8Groups() throws -> Found {
    var found = Found()
    for location in locations(where: { $0.header.tensors.dtype(at: $1) == .i8 }) {
      let name = base.tensor(at: location).name.string
      if name.hasSuffix(".weight") { try found.add(name) { try int8Group(location, name) } }
    }
    return found
  }

  private func int8Group(_ location: Checkpoint.Location, _ name: String) throws -> QuantizedBase.Group {
    let info = base.tensor(at: location)
    let module = String(name.dropLast("weight".count))
    guard info.shape.count == 2 else { throw error(location, .quantizedScheme("codes of shape \(info.shape)")) }
    let scales = try part(module + "SCB", of: location)
    try check(scales, dtypes: [.f32], shapes: [[info.shape[0]]], of: location)
    let format = base.location(of: TensorName(module + "weight_format"))
    if let format {
      try check(format, dtypes: [.u8], shapes: [[]], of: location)
      // 0 is `row`; the others (`col32`, `col_turing`, `col_ampere`) are orders of tiles. Source: bitsandbytes 0.50
      // `LINEAR_8BIT_WEIGHTS_FORMAT_MAPPING`.
      let number = try bytes(format).first ?? 0
      guard number == 0 else {
        throw error(
          location,
          .quantizedPart(module + "weight_format", found: "\(number)", expected: "0, codes in the order of the rows"))
      }
    }
    let weight = QuantizedWeight(
      format: .int8Rows, dtype: dtype, codes: source(location), scales: source(scales), map: nil)
    return QuantizedBase.Group(
      name: info.name, dtype: dtype, shape: info.shape, weight: weight, location: location,
      parts: [scales] + [format].compactMap { $0 })
  }

  /// MXFP4 of gpt-oss: `X_blocks` (experts, out, groups, 16) and `X_scales` (experts, out, groups) are X, (experts, in,
  /// out).
  func mxfp4Groups() throws -> Found {
    var found = Found()
    for location in locations(where: { $0.header.tensors.name(at: $1).string.hasSuffix("_blocks") }) {
      let name = String(base.tensor(at: location).name.string.dropLast("_blocks".count))
      try found.add(name) { try mxfp4Group(location, name) }
    }
    return found
  }

  private func mxfp4Group(_ location: Checkpoint.Location, _ name: String) throws(PlanError) -> QuantizedBase.Group {
    let info = base.tensor(at: location)
    let shape = info.shape
    guard info.dtype == .u8, shape.count == 4, shape[3] == 16, shape[2] <= Int.max / 32,
      base.location(of: TensorName(name)) == nil
    else {
      throw error(location, .quantizedScheme("blocks of \(info.dtype.name) \(shape)"))
    }
    let scales = try part(name + "_scales", of: location)
    try check(scales, dtypes: [.u8], shapes: [Array(shape.dropLast())], of: location)
    let weight = QuantizedWeight(
      format: .mxfp4, dtype: dtype, codes: source(location), scales: source(scales), map: nil)
    return QuantizedBase.Group(
      name: TensorName(name), dtype: dtype, shape: [shape[0], shape[2] * 32, shape[1]], weight: weight,
      location: location, parts: [scales])
  }
}
