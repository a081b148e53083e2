import Safetensors

/// What an update starts from.
public enum WeightSource: Sendable, Equatable {
  /// A tensor of numbers.
  case numbers(MergePlan.Source)
  /// A quantized weight, which is dequantized; with the one of its tensors that the output's tensor takes the place of.
  case codes(QuantizedWeight, MergePlan.Source)
  /// A tensor of numbers, quantized and dequantized as in training.
  case numbersThroughQLoRA(MergePlan.Source, QLoRAQuantization)
  /// A tensor of numbers, a matrix of so many columns, with zeros behind each row.
  case padded(MergePlan.Source, columns: Int)

  /// The tensor whose place the output's tensor takes.
  public var source: MergePlan.Source {
    switch self {
    case .numbers(let source), .codes(_, let source), .numbersThroughQLoRA(let source, _), .padded(let source, _):
      source
    }
  }

  /// The dtype of the numbers that an update starts from.
  public var dtype: DType {
    switch self {
    case .numbers(let source), .numbersThroughQLoRA(let source, _), .padded(let source, _): source.dtype
    case .codes(let weight, _): weight.dtype
    }
  }

  /// Every tensor that is read.
  var sources: [MergePlan.Source] {
    switch self {
    case .numbers(let source), .numbersThroughQLoRA(let source, _), .padded(let source, _): [source]
    case .codes(let weight, let source): [source] + weight.sources
    }
  }
}
