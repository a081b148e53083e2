import Checkpoints
import Safetensors

/// A weight that is stored as codes: several tensors, or one whose elements are not the weight's own.
///
/// It says what the weight is, not that a merge can decode it.
public struct StoredWeight: Sendable, Equatable {
  /// The weight's name in the model that was quantized.
  public let name: TensorName
  /// Such as "FP8 128x128", "NF4", "GPTQ 4-bit".
  public let label: String
  /// Of the weight as transformers uses it, without packing; nil: no header and no small tensor says it.
  public let shape: [Int]?
  /// Elements of the weight; nil where the files do not decide it.
  public let elementCount: Int?
  /// The tensor that holds the codes.
  public let codes: Checkpoint.Location
  /// Scales, zero points and whatever else is of no use without the codes.
  public let parts: [Checkpoint.Location]
  /// Whether a code of 0 stands for the number 0, whatever the scales are.
  public let zeroCodesAreZero: Bool

  package init(
    name: TensorName, label: String, shape: [Int]?, elementCount: Int? = nil, codes: Checkpoint.Location,
    parts: [Checkpoint.Location], zeroCodesAreZero: Bool = false
  ) {
    self.name = name
    self.label = label
    self.shape = shape
    self.elementCount = elementCount ?? shape.flatMap(Self.product)
    self.codes = codes
    self.parts = parts
    self.zeroCodesAreZero = zeroCodesAreZero
  }

  /// Codes, then parts.
  public var members: [Checkpoint.Location] { [codes] + parts }

  /// Nil where it does not fit Int.
  private static func product(_ shape: [Int]) -> Int? {
    var count = 1
    for size in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      if overflow || size < 0 { return nil }
      count = product
    }
    return count
  }
}
