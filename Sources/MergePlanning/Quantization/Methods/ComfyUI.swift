import Checkpoints
import JSONText
import Safetensors

/// FP8 checkpoints as ComfyUI loads them, which no config describes: layers with scales (``ComfyLayers``), and FP8 without
/// scales.
///
/// - `float8_e4m3fn`, `float8_e5m2`, and the older form: `weight = code * scale`, one scale for the tensor.
/// - `int8_tensorwise`: the same of I8, with a scale for the tensor or for each row.
/// - F8 tensors of any shape and name that nothing scales: `weight = code`.
///
/// Other formats are refused: the scales of `nvfp4` and `mxfp8` lie in the order of tensor cores, and layers of `convrot`,
/// `awq_w4a16` and `svdquant` compute more than a product with one matrix.
///
/// Sources: ComfyUI `comfy/ops.py`, `comfy/quant_ops.py`, QUANTIZATION.md.
struct ComfyUI: QuantizationMethod {
  static let names = ["comfyui", PlainFP8.title]
  static let fields: [QuantizationField]? = nil
  static let isToldByFiles = true

  static func skipList(_ source: QuantizationSource) -> String? { nil }

  let search: CodedTensors

  /// The source of a base whose files alone say that it is quantized; nil: they don't.
  static func source(of base: Checkpoint) -> QuantizationSource? {
    func source(_ method: String) -> QuantizationSource {
      QuantizationSource(method: method, config: .null, file: base.files.first?.name ?? "", path: [])
    }
    // A folder of diffusers is read by diffusers, which ignores scales.
    guard base.config?["_class_name"] == nil else { return nil }
    if ComfyLayers.areTold(by: base) { return source(names[0]) }
    // With a config FP8 is what its readers make of it.
    guard base.config == nil else { return nil }
    let hasFP8 = base.files.contains { file in
      file.header.tensors.indices.contains { CodedTensors.float8.contains(file.header.tensors.dtype(at: $0)) }
    }
    return hasFP8 ? source(names[1]) : nil
  }

  func tensors() throws -> FoundTensors {
    let layers = try ComfyLayers(search)
    var found = FoundTensors(markers: layers.markers)
    let dtype = outputDType
    for (module, layer) in layers.layers {
      // A description without a weight means nothing to ComfyUI.
      guard let codes = base.location(of: TensorName(module + ".weight")) else { continue }
      try found.add(module + ".weight") { try tensor(codes, module, layer, dtype: dtype) }
    }
    let siblings = CodeSiblings(base)
    for location in search.locations(where: { CodedTensors.float8.contains($0.header.tensors.dtype(at: $1)) }) {
      let info = base.tensor(at: location)
      guard !layers.markers.contains(location), !layers.isPart(info.name.string) else { continue }
      try found.add(info.name.string) {
        if let problem = siblings.scales(of: info.name) { throw problem }
        return group(location, .numbers, scales: location, parts: [], dtype: dtype)
      }
    }
    found.problems.merge(layers.problems) { $1 }
    return found
  }

  private func tensor(
    _ codes: Checkpoint.Location, _ module: String, _ layer: ComfyLayers.Layer, dtype: DType
  ) throws(PlanError) -> QuantizedTensor {
    let info = base.tensor(at: codes)
    let format = try format(of: layer, info.dtype, codes)
    guard info.dtype == format.dtype else {
      throw search.error(
        codes, .quantizedPart("weight", found: info.dtype.name, expected: "\(format.dtype.name) of \(format.name)"))
    }
    guard let scale = layer.scale else {
      throw search.error(codes, .quantizedPart(module + ".weight_scale", found: nil, expected: "with the codes"))
    }
    let (rows, columns) = TensorUpdate.matrix(of: info.shape)
    let byRow = format.dtype == .i8 && info.shape.count == 2 ? [[rows], [rows, 1]] : []
    try search.check(scale, dtypes: [.f32, .bf16, .f16], shapes: [[], [1]] + byRow, of: codes)
    let isByRow = rows > 1 && byRow.contains(base.tensor(at: scale).shape)
    let grid = QuantizedWeight.Grid(
      blockRows: isByRow ? 1 : max(rows, 1), blockColumns: max(columns, 1), rows: rows, columns: columns)
    var tensor = group(
      codes, .blocks(grid), scales: scale, parts: [scale] + [layer.text].compactMap { $0 }, dtype: dtype)
    tensor.isDescribedAlone = layer.description != nil
    return tensor
  }

  /// The format of a layer and the dtype of its codes.
  private func format(
    of layer: ComfyLayers.Layer, _ dtype: DType, _ codes: Checkpoint.Location
  ) throws(PlanError) -> (name: String, dtype: DType) {
    guard let description = layer.description, case .object(let fields) = description else {
      return ("scaled_fp8", dtype == .f8E5M2 ? .f8E5M2 : .f8E4M3)
    }
    guard case .string(let name)? = description["format"] else {
      throw search.error(codes, .quantizedScheme("a description without a format"))
    }
    guard let format = Self.formats.first(where: { $0.name == name }) else {
      let reason = Self.refused.first { $0.name == name }.map { ", \($0.reason)," } ?? ""
      throw search.error(codes, .quantizedScheme("ComfyUI's format \(name)\(reason)"))
    }
    for field in fields where !QuantizationField.isOff(field.value) && field.value != .bool(false) {
      if ["format", "full_precision_matrix_mult"].contains(field.key) { continue }
      if field.key.hasPrefix("convrot") {
        throw search.error(codes, .quantizedScheme("\(name) and convrot, which rotates the layer's inputs too,"))
      }
      throw search.error(
        codes, .quantizationField("\(field.key) of \(name)", because: "a field that this program does not know"))
    }
    return format
  }

  private static let formats: [(name: String, dtype: DType)] = [
    ("float8_e4m3fn", .f8E4M3), ("float8_e5m2", .f8E5M2), ("int8_tensorwise", .i8),
  ]
  private static let refused: [(name: String, reason: String)] = [
    ("nvfp4", "whose scales are in the order of tensor cores"),
    ("mxfp8", "whose scales are in the order of tensor cores"),
    ("awq_w4a16", "which scales its inputs"), ("svdquant", "which adds a product of its own"),
    ("svdquant_w4a4", "which adds a product of its own"),
  ]

  private func group(
    _ location: Checkpoint.Location, _ format: QuantizedWeight.Format, scales: Checkpoint.Location,
    parts: [Checkpoint.Location], dtype: DType
  ) -> QuantizedTensor {
    let info = base.tensor(at: location)
    return QuantizedTensor(
      name: info.name, dtype: dtype, shape: info.shape,
      // ComfyUI decodes to the dtype that it computes in: no product is rounded before it is added to.
      weight: QuantizedWeight(
        format: format, dtype: .f32, codes: search.source(location), scales: search.source(scales), map: nil),
      location: location, parts: parts)
  }

  /// The dtype of a weight that becomes numbers where no dtype is asked for.
  private var outputDType: DType { search.mostCommonDType() }
}
