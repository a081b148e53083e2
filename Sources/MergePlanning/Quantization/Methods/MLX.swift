import Checkpoints
import JSONText
import Safetensors

/// MLX: `X.weight` in words of 32 bits with `X.scales` and, of the mode `affine`, `X.biases`. Source: mlx 0.29 `dequantize`,
/// mlx-lm 0.28 `load_model`, which takes for quantized what has scales.
struct MLX: QuantizationMethod {
  static let names = ["mlx"]
  static let fields: [QuantizationField]? = nil
  static let isWrittenBack = false

  static let isToldByScales = true

  static func skipList(_ source: QuantizationSource) -> String? { nil }

  let search: CodedTensors

  private struct MLXScheme {
    let bits: Int
    let group: Int
    let mode: String
  }

  func tensors() throws -> FoundTensors {
    let general = try mlxScheme(config)
    var found = FoundTensors()
    for location in search.locations(where: { $0.header.tensors.dtype(at: $1) == .u32 }) {
      let name = base.tensor(at: location).name.string
      guard name.hasSuffix(".weight") else { continue }
      try found.add(name) { try mlxGroup(location, general) }
    }
    return found
  }

  private func mlxScheme(_ value: JSONValue, or other: MLXScheme? = nil) throws(PlanError) -> MLXScheme {
    var mode = "affine"
    if case .string(let name)? = value["mode"] { mode = name }
    guard ["affine", "mxfp4"].contains(mode), case .integer(let bits)? = value["bits"],
      (mode == "affine" ? [2, 4, 8] : [4]).contains(bits), case .integer(let group)? = value["group_size"],
      [16, 32, 64, 128].contains(group), mode == "affine" || group == 32
    else { throw PlanError(path: configPath, tensor: nil, .quantizedBase(method: "mlx, \(mode) of these bits")) }
    return MLXScheme(bits: Int(bits), group: Int(group), mode: mode)
  }

  private func mlxGroup(
    _ location: Checkpoint.Location, _ general: MLXScheme
  ) throws(PlanError) -> QuantizedTensor {
    let info = base.tensor(at: location)
    let module = String(info.name.string.dropLast(".weight".count))
    var scheme = general
    // Of one module alone, under its name.
    if let own = config[module], case .object = own { scheme = try mlxScheme(own) }
    guard info.shape.count == 2, info.shape[1] <= Int.max / 32 else {
      throw search.error(location, .quantizedScheme("codes of shape \(info.shape)"))
    }
    let columns = info.shape[1] * 32 / scheme.bits
    let scales = try search.part(module + ".scales", of: location)
    if scheme.mode == "mxfp4" {
      return try search.fourBitRowGroup(location, scales, group: 32, name: info.name, global: nil, dtype: dtype)
    }
    let biases = try search.part(module + ".biases", of: location)
    let grid = QuantizedWeight.Grid(
      blockRows: 1, blockColumns: scheme.group, rows: info.shape[0], columns: columns)
    guard columns % scheme.group == 0 else {
      throw search.error(location, .quantizedScheme("groups of \(scheme.group) in \(columns) columns"))
    }
    let own = base.tensor(at: scales).dtype
    try search.check(scales, dtypes: [.bf16, .f16, .f32], shapes: [[grid.scaleRows, grid.scaleColumns]], of: location)
    try search.check(biases, dtypes: [own], shapes: [[grid.scaleRows, grid.scaleColumns]], of: location)
    return QuantizedTensor(
      name: info.name, dtype: own, shape: [info.shape[0], columns],
      weight: QuantizedWeight(
        format: .packedRows(
          QuantizedWeight.PackedRows(
            numbers: .integers(bits: scheme.bits, offset: 0), grid: grid, rowByteCount: info.shape[1] * 4,
            biases: search.source(biases))), dtype: own, codes: search.source(location), scales: search.source(scales),
        map: nil),
      location: location, parts: [scales, biases])
  }
}
