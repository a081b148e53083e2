import Safetensors

/// How the weights of a plain base were quantized while an adapter was trained on it (QLoRA), in NF4 of bitsandbytes.
///
/// `q = number(code) * absmax`, rounded to the weight's dtype, with a code of half a byte for each element and the largest
/// magnitude of each ``block`` elements of the flat weight. With ``isNested`` the magnitudes are themselves codes of 8 bits,
/// 256 with a scale, about their mean.
///
/// Source: Dettmers et al., QLoRA, arXiv:2305.14314, sections 3 and 4; bitsandbytes 0.50.2 `quantize_4bit`.
public struct QLoRAQuantization: Sendable, Equatable {
  public let block: Int
  public let isNested: Bool

  /// The sizes that bitsandbytes has.
  public static let blocks = [32, 64, 128, 256, 512, 1024, 2048, 4096]

  /// - Parameters:
  ///   - block: One of ``blocks``.
  ///   - isNested: Whether the scales were quantized too.
  public init?(block: Int = 64, isNested: Bool = false) {
    guard Self.blocks.contains(block) else { return nil }
    self.block = block
    self.isNested = isNested
  }
}

extension MergePlan {
  /// The weights that are quantized as in training.
  public struct Training: Sendable, Equatable {
    public let quantization: QLoRAQuantization
    /// Weights that an adapter changes.
    public let merged: Int
    /// Weights of linear layers that none changes.
    public let others: Int
    /// Matrices that may have been quantized too, and stay what they are: their names do not tell.
    public let left: [TensorName]
  }
}
