import Checkpoints
import JSONText
import Safetensors

/// torchao: the metadata of the files says of each tensor of the model which class it is and of which tensors it is made.
/// Source: torchao 0.18 `flatten_tensor_state_dict`, which transformers 5.24 writes and reads.
struct TorchAO: QuantizationMethod {
  static let names = ["torchao"]
  static let fields: [QuantizationField]? =
    QuantizationField.used("quant_method", "modules_to_not_convert")
    + QuantizationField.harmless(
      "the metadata of the files says it", "quant_type", "quant_type_kwargs", "include_input_output_embeddings",
      "include_embedding", "untie_embedding_weights")
  static let isWrittenBack = false
  let search: CodedTensors

  /// What the metadata has for a tensor that is kept as it is.
  static let plainTensor = #"{"_type": "Tensor"}"#

  /// `X._weight_qdata`, `X._weight_scale` and, of integers, `X._weight_zero_point` are `X.weight`.
  func tensors() throws -> FoundTensors {
    var found = FoundTensors()
    for (name, description) in try torchaoDescriptions() {
      try found.add(name) { try torchaoGroup(name, description) }
    }
    let known = Set(found.tensors.map { QuantizedBase.Place($0.location) })
    for location in search.locations(where: { $0.header.tensors.name(at: $1).string.hasSuffix("_qdata") })
    where !known.contains(QuantizedBase.Place(location)) {
      let name = base.tensor(at: location).name.string
      if found.problems[QuantizedBase.module(of: name)] != nil { continue }
      try found.add(name) {
        throw search.error(location, .quantizedScheme("torchao and no metadata that says what it is"))
      }
    }
    return found
  }

  /// What the files say of tensors that are not kept as they are, in the order of the files.
  private func torchaoDescriptions() throws(PlanError) -> [(name: String, description: JSONValue)] {
    var texts: [TensorName: String] = [:]
    var found: [(name: String, description: JSONValue)] = []
    for file in base.files {
      for entry in file.header.metadata ?? [] where entry.key.contains(".") {
        // Every file of a model has the metadata of all.
        if let other = texts.updateValue(entry.value, forKey: TensorName(entry.key)) {
          guard other == entry.value else {
            throw PlanError(
              path: file.path, tensor: TensorName(entry.key),
              .quantizedScheme("other metadata than in another file"))
          }
          continue
        }
        guard let description = try? JSONParser.parse(Array(entry.value.utf8).span), case .object = description,
          let type = description["_type"], type != .string("Tensor")
        else { continue }
        found.append((entry.key, description))
      }
    }
    return found
  }

  private func torchaoGroup(_ name: String, _ description: JSONValue) throws(PlanError) -> QuantizedTensor {
    func refused(_ what: String) -> PlanError {
      PlanError(path: base.path, tensor: TensorName(name), .quantizedScheme("torchao and \(what)"))
    }
    guard case .string(let type)? = description["_type"], let attributes = description["_data"],
      case .array(let list)? = description["_tensor_data_names"], let dot = name.lastIndex(of: ".")
    else { throw refused("metadata that is not understood") }
    guard ["Float8Tensor", "Int8Tensor", "IntxUnpackedToInt8Tensor"].contains(type) else {
      throw PlanError(path: base.path, tensor: TensorName(name), .quantizedBase(method: "\(method), \(type)"))
    }
    let prefix = "\(name[..<dot])._\(name[name.index(after: dot)...])_"
    guard let codes = base.location(of: TensorName(prefix + "qdata")) else {
      throw PlanError(
        path: base.path, tensor: TensorName(name),
        .quantizedPart(prefix + "qdata", found: nil, expected: "as the metadata says"))
    }
    guard base.location(of: TensorName(name)) == nil else { throw refused("the weight beside its codes") }
    var parts: [String: Checkpoint.Location] = [:]
    for part in ["scale", "zero_point", "act_quant_scale", "act_quant_zero_point", "act_pre_scale"] {
      let isListed = list.contains(.string(part))
      guard isListed || base.location(of: TensorName(prefix + part)) == nil else {
        throw refused("\(prefix)\(part), of which its metadata says nothing")
      }
      if isListed { parts[part] = try search.part(prefix + part, of: codes) }
    }
    // Multiplies the inputs of the layer, so that the numbers alone are another layer.
    if parts["act_pre_scale"] != nil { throw refused("act_pre_scale") }
    guard let scales = parts["scale"] else { throw refused("no scale") }
    guard case .string(let typeName)? = attributes["dtype"]?["_data"], let dtype = CodedTensors.dtype(named: typeName)
    else {
      throw refused("a dtype that is not F32, F16 or BF16")
    }
    let info = base.tensor(at: codes)
    let isFloat = type == "Float8Tensor"
    guard isFloat ? CodedTensors.float8.contains(info.dtype) : info.dtype == .i8, info.shape.count >= 2 else {
      throw search.error(codes, .quantizedScheme("torchao, \(type) and codes of \(info.dtype.name) \(info.shape)"))
    }
    let grid = try torchaoGrid(info.shape, attributes["block_size"], codes, isFloat ? scales : nil)
    let leading = Array(info.shape.dropLast(2))
    var shapes = [leading + [grid.scaleRows, grid.scaleColumns]]
    if leading.isEmpty, grid.scaleRows == 1, grid.scaleColumns == 1 { shapes += [[1], []] }
    try search.check(scales, dtypes: [.f32, .bf16, .f16], shapes: shapes, of: codes)
    var format = QuantizedWeight.Format.blocks(grid)
    if let zeros = parts["zero_point"] {
      guard !isFloat else { throw refused("zero points of floats") }
      try search.check(zeros, dtypes: [.i8], shapes: shapes, of: codes)
      format = .integers(grid, zeros: search.source(zeros))
    }
    return QuantizedTensor(
      name: TensorName(name), dtype: dtype, shape: info.shape,
      weight: QuantizedWeight(
        format: format, dtype: dtype, codes: search.source(codes), scales: search.source(scales), map: nil),
      location: codes, parts: parts.sorted { $0.key < $1.key }.map(\.value))
  }

  /// The blocks that share a scale: by `block_size`, and of floats by the shape of the scales if that says nothing.
  private func torchaoGrid(
    _ shape: [Int], _ size: JSONValue?, _ codes: Checkpoint.Location, _ scales: Checkpoint.Location?
  ) throws(PlanError) -> QuantizedWeight.Grid {
    let (rows, columns) = (shape[shape.count - 2], shape[shape.count - 1])
    var block: [Int] = []
    if case .array(let sizes)? = size {
      block = sizes.compactMap { if case .integer(let size) = $0, size > 0, size < 1 << 40 { Int(size) } else { nil } }
      guard block.count == sizes.count else {
        throw search.error(codes, .quantizedScheme("a block size of no numbers"))
      }
    }
    if block.isEmpty, let scales, base.tensor(at: scales).elementCount == 1 {
      block = shape
    }
    guard block.count == shape.count, block.dropLast(2).allSatisfy({ $0 == 1 }),
      zip(shape, block).allSatisfy({ $0 > 0 && $0 % $1 == 0 })
    else { throw search.error(codes, .quantizedScheme("blocks of \(block) in \(shape)")) }
    return QuantizedWeight.Grid(
      blockRows: block[block.count - 2], blockColumns: block[block.count - 1], rows: rows, columns: columns)
  }
}
