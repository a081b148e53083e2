import Safetensors

/// A tensor of the output whose place is not settled yet.
struct OutputTensor {
  let name: TensorName
  let source: MergePlan.Source
  let shape: [Int]
  let dtype: DType
  let update: TensorUpdate?
  /// What its numbers are decoded from; nil: its bytes are what they are.
  var quantized: QuantizedWeight?
  /// How it was quantized in training; nil: it was not.
  var qloraQuantization: QLoRAQuantization?
  /// How they are made codes again, or the scales of codes; nil: numbers are written.
  var requantized: Requantization?

  /// Whether the source's bytes are copied.
  var isCopied: Bool { update == nil && dtype == source.dtype && quantized == nil && qloraQuantization == nil }
}
