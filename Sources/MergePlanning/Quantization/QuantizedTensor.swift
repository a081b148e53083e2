import Checkpoints
import Safetensors

/// A weight that the base keeps as codes: several tensors, which a merge takes as one tensor of numbers.
struct QuantizedTensor {
  /// The name that the weight has as numbers.
  let name: TensorName
  let dtype: DType
  let shape: [Int]
  let weight: QuantizedWeight
  /// Where the codes are.
  let location: Checkpoint.Location
  /// Scales and whatever else is of no use without the codes.
  var parts: [Checkpoint.Location]
  /// Whether it has a quantization description of its own: without that its readers load it as numbers, whatever the other
  /// weights of the file are.
  var isDescribedAlone = false

  /// What config.json calls not quantized when the weight is numbers: its module, or the experts that it is one of,
  /// which are loaded together.
  var module: String { QuantizedBase.module(of: name.string) }
}
