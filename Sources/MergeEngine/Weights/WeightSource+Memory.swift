import MergePlanning
import Safetensors

extension WeightSource {
  /// What a reader holds at the most for a tile of so many elements, beside the elements: of quantized weights codes and
  /// scales; of weights that are quantized as in training what shares scales with them, as it is and in fp32, and what it is
  /// compared by.
  ///
  /// - Parameter shape: The whole weight's.
  func readerByteCount(elements: Int, shape: [Int]) -> Int {
    switch self {
    case .numbers: 0
    case .padded(let source, _): elements * source.dtype.bitCount / 8
    case .codes(let weight, _): weight.byteCount(elements: elements, shape: shape)
    case .numbersThroughQLoRA(_, let training): (elements + 2 * training.block) * 18
    }
  }

  /// What scales take that all tiles share: those that are codes themselves, which take a pass over the tensor.
  func sharedScalesByteCount(elements: Int) -> Int {
    switch self {
    case .numbersThroughQLoRA(_, let training) where training.isNested: 3 * 4 * (elements / training.block + 1)
    case .numbers, .codes, .numbersThroughQLoRA, .padded: 0
    }
  }
}
