import Safetensors

/// A weight that the base keeps as codes, and what they stand for.
public struct QuantizedWeight: Sendable, Equatable {
  public enum Format: Sendable, Equatable {
    /// `value = code * scale`, a scale for each block of the last two dimensions, the last blocks cut where they do not
    /// fit; the code is a number of 8 bits. Source: transformers 5.24 `Fp8Dequantize`; compressed-tensors
    /// `float-quantized`; fbgemm.
    case blocks(Grid)
    /// `value = code`: a cast to 8 bits, which nothing scales.
    case numbers
    /// `value = (code - zero) * scale` with integers of 8 bits, a scale and a zero for each block. Source: torchao 0.18
    /// `dequantize_affine`.
    case integers(Grid, zeros: MergePlan.Source)
    /// `value = code * scale / 127` with the scale of the row. Source: bitsandbytes `int8_vectorwise_dequant`.
    case int8Rows
    /// `value = number(code) * scale`, two codes a byte, the first in the upper half, a scale for `block` elements of the
    /// flat tensor. Source: Dettmers et al., QLoRA, arXiv:2305.14314, section 3; bitsandbytes `dequantize_4bit`.
    case nibbles(FourBitCodebook, block: Int, nested: Nested?)
    /// `value = number(code) * 2^(scale - 127)`, two codes a byte, the first in the lower half, a scale for 32 elements;
    /// stored with the last two dimensions exchanged. Source: transformers 5.24 `convert_moe_packed_tensors`.
    case mxfp4
    /// `value = (code - zero) * scale`, `number(code) * scale` or `code * scale + bias`. Source: compressed-tensors
    /// `pack-quantized`, `nvfp4-pack-quantized` and `mxfp4-pack-quantized`; Model Optimizer's NVFP4; DeepSeek-V4; mlx.
    case packedRows(PackedRows)
    /// `value = (code - zero) * scale`, stored transposed in words of 32 bits. Source: AutoGPTQ and GPTQModel
    /// `dequantize_weight`; AutoAWQ `dequantize_gemm`.
    case packedColumns(PackedColumns)
  }

  public struct Grid: Sendable, Equatable {
    public let blockRows: Int
    public let blockColumns: Int
    /// Of the last two dimensions.
    public let rows: Int
    public let columns: Int

    public init(blockRows: Int, blockColumns: Int, rows: Int, columns: Int) {
      self.blockRows = blockRows
      self.blockColumns = blockColumns
      self.rows = rows
      self.columns = columns
    }

    /// Rows of blocks.
    public var scaleRows: Int { rows == 0 ? 0 : (rows - 1) / blockRows + 1 }
    public var scaleColumns: Int { columns == 0 ? 0 : (columns - 1) / blockColumns + 1 }
  }

  /// Rows of codes of a byte or less, the first in the lowest bits, each row from a whole byte on.
  public struct PackedRows: Sendable, Equatable {
    public enum Numbers: Sendable, Equatable {
      /// The code itself, of 2, 4 or 8 bits; where there are no zeros less `offset`.
      case integers(bits: Int, offset: Int)
      /// E2M1, OCP Microscaling formats 1.0.
      case e2m1
    }

    public let numbers: Numbers
    public let grid: Grid
    public let rowByteCount: Int
    /// Codes of as many bits, for each scale one, as many rows as fit in a word of 32 bits: subtracted from the code.
    public var zeros: MergePlan.Source?
    /// One number in fp32, by which every scale is divided or multiplied.
    public var globalScale: GlobalScale?
    /// Added to the product of code and scale, one for each scale. Product and sum are each rounded to the weight's dtype.
    /// Source: mlx 0.29 `dequantize`.
    public var biases: MergePlan.Source?

    public var bits: Int {
      switch numbers {
      case .integers(let bits, _): bits
      case .e2m1: 4
      }
    }
  }

  public struct GlobalScale: Sendable, Equatable {
    public let source: MergePlan.Source
    /// compressed-tensors divides by it, Model Optimizer multiplies.
    public let isDivisor: Bool
  }

  /// The order of GPTQ and AWQ: a scale for a row of the weight and a group of its columns.
  public struct PackedColumns: Sendable, Equatable {
    public enum Order: Sendable, Equatable {
      /// Some columns in a word, the first lowest.
      case gptq
      /// Eight rows in a word, in the places 0, 4, 1, 5, 2, 6, 3, 7.
      case awq
    }

    /// The storage of zero points.
    public enum Zeros: Sendable, Equatable {
      case plain
      /// Less one, code by code. The largest code is 0 to some readers and one more than all codes to others.
      case lessOne
      /// Less one by an addition to the whole word, which carries from code to code.
      case lessOneByWord
    }

    public let order: Order
    /// Of a code and of a zero point.
    public let bits: Int
    /// Of the weight as numbers.
    public let rows: Int
    public let columns: Int
    /// Columns that share a scale; the last may be fewer.
    public let group: Int
    /// Words of some rows, for each group.
    public let zeros: MergePlan.Source
    public let storedZeros: Zeros
    /// What each zero must be, because the config says that the codes are symmetric; nil: whatever it is.
    public let onlyZero: Int?
    /// The group of each column, in I32; nil: they follow each other.
    public let groupOfColumn: MergePlan.Source?

    public var groupCount: Int { columns == 0 ? 0 : (columns - 1) / group + 1 }
  }

  public enum FourBitCodebook: String, Sendable, CaseIterable {
    case nf4, fp4
  }

  /// Scales that are codes themselves: `scale = map[code] * nested scale + offset`.
  public struct Nested: Sendable, Equatable {
    public let scales: MergePlan.Source
    /// Scales that share a nested scale.
    public let block: Int
    /// 256 numbers in fp32.
    public let map: MergePlan.Source
    public let offset: Float
  }

  public let format: Format
  /// F32, F16 or BF16: what the reference decodes to. A product is rounded to it once.
  public let dtype: DType
  public let codes: MergePlan.Source
  public let scales: MergePlan.Source
  /// The 16 numbers of the codes as the file has them, which must be the format's; nil: the format alone says them.
  public let map: MergePlan.Source?

  /// The same weight, whose products are not rounded to fewer bits than fp32.
  var unrounded: QuantizedWeight {
    QuantizedWeight(format: format, dtype: .f32, codes: codes, scales: scales, map: map)
  }

  /// What it reads.
  public var sources: [MergePlan.Source] {
    var sources = [codes, scales] + [map].compactMap { $0 }
    switch format {
    case .integers(_, let zeros): sources.append(zeros)
    case .nibbles(_, _, let nested?): sources += [nested.scales, nested.map]
    case .packedRows(let packed):
      sources += [packed.zeros, packed.globalScale?.source, packed.biases].compactMap { $0 }
    case .packedColumns(let packed): sources += [packed.zeros, packed.groupOfColumn].compactMap { $0 }
    default: break
    }
    return sources
  }
}

extension MergePlan {
  /// The treatment of a base's quantized weights.
  public struct Quantization: Sendable, Equatable {
    /// `quant_method` of config.json.
    public let method: String
    /// Weights that are dequantized.
    public let decoded: Int
    /// Weights that are merged and requantized.
    public var requantized = 0
    /// Weights that are copied as they are.
    public let kept: Int
    /// What config.json says of it then; nil: it stays.
    public let configChange: String?
    /// Whether merged weights stay in the base's format unless a dtype is asked for, which decodes every weight.
    public var isToldByFiles = false
  }
}
