import Safetensors

extension QuantizedWeight {
  /// What people call the format, such as "FP8 128x128".
  ///
  /// - Parameter dtype: Of the tensor that holds the codes.
  func label(codes dtype: DType) -> String {
    switch format {
    case .blocks(let grid), .integers(let grid, zeros: _): "\(Self.kind(dtype)) \(grid.label)"
    case .numbers: Self.kind(dtype)
    case .int8Rows: "LLM.int8"
    case .nibbles(let kind, block: _, nested: _): kind.rawValue.uppercased()
    case .mxfp4: "MXFP4"
    case .packedRows(let packed):
      switch packed.numbers {
      case .integers(let bits, offset: _): packed.biases == nil ? "INT\(bits) packed" : "MLX \(bits)-bit"
      // Elements that share a scale: 16 of NVIDIA's format, 32 of OCP's.
      case .e2m1: packed.grid.blockColumns == 32 ? "MXFP4" : "NVFP4"
      }
    case .packedColumns(let packed):
      switch packed.order {
      case .gptq: "GPTQ \(packed.bits)-bit"
      case .awq: "AWQ \(packed.bits)-bit"
      }
    }
  }

  /// Whether a code of 0 is the number 0.
  var zeroCodesAreZero: Bool {
    switch format {
    case .blocks, .numbers, .int8Rows, .mxfp4: true
    case .packedRows(let packed): packed.numbers == .e2m1
    case .integers, .nibbles, .packedColumns: false
    }
  }

  /// Numbers of 8 bits by the dtype that holds them.
  static func kind(_ dtype: DType) -> String { dtype == .i8 || dtype == .u8 ? "INT8" : "FP8" }
}

extension QuantizedWeight.Grid {
  /// What shares a scale.
  var label: String {
    if blockRows >= rows, blockColumns >= columns { return "per tensor" }
    if blockRows == 1, blockColumns >= columns { return "per row" }
    return "\(blockRows)x\(blockColumns)"
  }
}
