/// What was written.
public struct AdapterOutcome: Sendable {
  /// The units, in their order.
  public let units: [FinishedUnit]
  /// Tensors of the weights' file.
  public let tensorCount: Int
  /// Bytes of all files.
  public let byteCount: Int
}
