import Checkpoints
import JSONText
import Safetensors

/// NF4, FP4 and int8 of bitsandbytes.
struct BitsAndBytes: QuantizationMethod {
  static let names = ["bitsandbytes"]
  static let fields: [QuantizationField]? =
    QuantizationField.used("quant_method", "llm_int8_skip_modules", "modules_to_not_convert")
    + QuantizationField.harmless(
      QuantizationField.toldByTensors, "load_in_4bit", "load_in_8bit", "_load_in_4bit", "_load_in_8bit",
      "bnb_4bit_quant_type",
      "bnb_4bit_use_double_quant", "bnb_4bit_quant_storage", "bnb_4bit_blocksize")
    + QuantizationField.harmless(
      QuantizationField.loadingOnly, "bnb_4bit_compute_dtype", "llm_int8_enable_fp32_cpu_offload",
      "llm_int8_has_fp16_weight",
      "llm_int8_threshold", "bnb_4bit_target_parameters", "target_parameters")

  static func skipList(_ source: QuantizationSource) -> String? { "llm_int8_skip_modules" }

  let search: CodedTensors

  func tensors() throws -> FoundTensors { try fourBitTensors() + int8Tensors() }

  /// The text of a quant_state is a few hundred bytes.
  private static let largestStateByteCount = 64 << 10

  /// NF4 and FP4 of bitsandbytes: `weight`, `weight.absmax`, `weight.quant_map` and a text, and with nested statistics
  /// `weight.nested_absmax` and `weight.nested_quant_map`.
  private func fourBitTensors() throws -> FoundTensors {
    var found = FoundTensors()
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
    let known = Set(found.tensors.map(\.name))
    for location in search.locations(where: { $0.header.tensors.name(at: $1).string.hasSuffix(".absmax") }) {
      let name = String(base.tensor(at: location).name.string.dropLast(".absmax".count))
      guard !known.contains(TensorName(name)), let codes = base.location(of: TensorName(name)),
        found.problems[QuantizedBase.module(of: name)] == nil
      else { continue }
      try found.add(name) {
        throw search.error(codes, .quantizedPart("\(name)\(marker)nf4", found: nil, expected: "with the codes"))
      }
    }
    return found
  }

  private func fourBitGroup(
    _ name: String, _ nibbles: QuantizedWeight.FourBitCodebook, state: Checkpoint.Location
  ) throws -> QuantizedTensor {
    guard let codes = base.location(of: TensorName(name)) else {
      throw search.error(state, .quantizedPart(name, found: nil, expected: "beside it"))
    }
    let text = try self.state(state)
    guard text["quant_type"] == .string(nibbles.rawValue), case .string(let typeName)? = text["dtype"],
      let dtype = CodedTensors.dtype(named: typeName), case .integer(let block)? = text["blocksize"],
      [32, 64, 128, 256, 512, 1024, 2048, 4096].contains(block), case .array(let dimensions)? = text["shape"]
    else { throw search.error(state, .quantizedScheme("a quant_state without quant_type, dtype, blocksize or shape")) }
    var shape: [Int] = []
    var count = 1
    for dimension in dimensions {
      guard case .integer(let size) = dimension, size > 0, size < 1 << 40,
        case (let product, let overflow) = count.multipliedReportingOverflow(by: Int(size)), !overflow
      else { throw search.error(state, .quantizedScheme("a quant_state with the shape of no weight")) }
      count = product
      shape.append(Int(size))
    }
    guard shape.count >= 2 else { throw search.error(state, .quantizedScheme("a quant_state with the shape \(shape)")) }
    // Where codes are kept in another dtype (`bnb_4bit_quant_storage`), their bytes are the same.
    let info = base.tensor(at: codes)
    guard info.byteCount == (count - 1) / 2 + 1 else {
      throw search.error(
        codes,
        .quantizedPart(
          name, found: "\(info.byteCount) bytes", expected: "\((count - 1) / 2 + 1) for \(shape)"))
    }
    let blocks = (count - 1) / Int(block) + 1
    let scales = try search.part("\(name).absmax", of: codes)
    let map = try search.part("\(name).quant_map", of: codes)
    try search.check(map, dtypes: [.f32], shapes: [[16]], of: codes)
    var parts = [scales, map, state]
    var nested: QuantizedWeight.Nested?
    if text["nested_blocksize"] != nil || base.location(of: TensorName("\(name).nested_absmax")) != nil {
      guard case .integer(let nestedBlock)? = text["nested_blocksize"], nestedBlock > 0,
        text["nested_dtype"] == .string("float32"), let offset = Self.number(text["nested_offset"])
      else {
        throw search.error(
          state, .quantizedScheme("a quant_state without nested_blocksize, nested_dtype or nested_offset"))
      }
      try search.check(scales, dtypes: [.u8], shapes: [[blocks]], of: codes)
      let nestedScales = try search.part("\(name).nested_absmax", of: codes)
      try search.check(nestedScales, dtypes: [.f32], shapes: [[(blocks - 1) / Int(nestedBlock) + 1]], of: codes)
      let nestedMap = try search.part("\(name).nested_quant_map", of: codes)
      try search.check(nestedMap, dtypes: [.f32], shapes: [[256]], of: codes)
      parts += [nestedScales, nestedMap]
      nested = QuantizedWeight.Nested(
        scales: search.source(nestedScales), block: Int(nestedBlock), map: search.source(nestedMap),
        offset: Float(offset))
    } else {
      try search.check(scales, dtypes: [.f32], shapes: [[blocks]], of: codes)
    }
    let weight = QuantizedWeight(
      format: .nibbles(nibbles, block: Int(block), nested: nested), dtype: dtype, codes: search.source(codes),
      scales: search.source(scales), map: search.source(map))
    return QuantizedTensor(
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
      throw search.error(location, .quantizedScheme("a quant_state of \(info.dtype.name) \(info.shape)"))
    }
    let bytes = try search.bytes(location)
    do throws(JSONError) { return try JSONParser.parse(bytes.span) } catch {
      throw search.error(location, .quantizedScheme("a quant_state that is no JSON text"))
    }
  }

  /// int8 of bitsandbytes: `weight`, and `SCB` with the largest magnitude of each row.
  private func int8Tensors() throws -> FoundTensors {
    var found = FoundTensors()
    for location in search.locations(where: { $0.header.tensors.dtype(at: $1) == .i8 }) {
      let name = base.tensor(at: location).name.string
      if name.hasSuffix(".weight") { try found.add(name) { try int8Group(location, name) } }
    }
    return found
  }

  private func int8Group(_ location: Checkpoint.Location, _ name: String) throws -> QuantizedTensor {
    let info = base.tensor(at: location)
    let module = String(name.dropLast("weight".count))
    guard info.shape.count == 2 else { throw search.error(location, .quantizedScheme("codes of shape \(info.shape)")) }
    let scales = try search.part(module + "SCB", of: location)
    try search.check(scales, dtypes: [.f32], shapes: [[info.shape[0]]], of: location)
    let format = base.location(of: TensorName(module + "weight_format"))
    if let format {
      try search.check(format, dtypes: [.u8], shapes: [[]], of: location)
      // 0 is `row`; the others (`col32`, `col_turing`, `col_ampere`) are orders of tiles. Source: bitsandbytes 0.50
      // `LINEAR_8BIT_WEIGHTS_FORMAT_MAPPING`.
      let number = try search.bytes(format).first ?? 0
      guard number == 0 else {
        throw search.error(
          location,
          .quantizedPart(module + "weight_format", found: "\(number)", expected: "0, codes in the order of the rows"))
      }
    }
    let weight = QuantizedWeight(
      format: .int8Rows, dtype: dtype, codes: search.source(location), scales: search.source(scales), map: nil)
    return QuantizedTensor(
      name: info.name, dtype: dtype, shape: info.shape, weight: weight, location: location,
      parts: [scales] + [format].compactMap { $0 })
  }
}
