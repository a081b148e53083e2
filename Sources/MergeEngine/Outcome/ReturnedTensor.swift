import Safetensors

/// What adding a delta again to a tensor from which it was taken makes of it.
public struct ReturnedTensor: Sendable, Equatable {
  public let name: TensorName
  public let elementCount: Int
  /// Elements of which the bits are then not those of before.
  public let changedCount: UInt64
}
