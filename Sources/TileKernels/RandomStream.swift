/// The random numbers of one tensor: one word for every element, the same however the tensor is divided.
///
/// The word of element i is word i % 4 of the Philox4x32-10 block with the counter (i / 4, `tensor`) and the key `seed`;
/// of each of these 64-bit numbers the lower word comes first.
/// Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011.
public struct RandomStream: Hashable, Sendable {
  public let seed: UInt64
  /// What tells the tensors of a model apart, a hash of the name for instance.
  public let tensor: UInt64

  public init(seed: UInt64, tensor: UInt64) {
    self.seed = seed
    self.tensor = tensor
  }
}
