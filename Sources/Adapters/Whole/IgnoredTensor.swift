/// A tensor on the list of those that a merge does not need.
public struct IgnoredTensor: Equatable, Sendable {
  /// Where it is in the adapter's tensor table.
  public let tensor: Int
  public let reason: String
}
