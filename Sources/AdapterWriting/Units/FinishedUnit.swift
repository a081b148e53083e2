import JSONText
import Safetensors

/// A unit that was made, by this run or by one before.
public struct FinishedUnit: Sendable {
  /// ``AdapterUnit/name``.
  public let name: String
  /// Its tensors, in their order.
  public let tensors: [HeaderEncoder.Tensor]
  /// ``AdapterUnit/Result/facts``.
  public let facts: JSONValue
  /// Whether a run before made it.
  public let isKept: Bool
  /// The file that has the data.
  let path: String
  /// Where each tensor's data is in the file.
  let ranges: [Range<Int>]
}
