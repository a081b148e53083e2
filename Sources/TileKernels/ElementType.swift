/// A type of tensor elements that the kernels read and write. Data is little-endian and may start at any address.
public enum ElementType: CaseIterable, Hashable, Sendable {
  /// IEEE 754 binary32.
  case f32
  /// IEEE 754 binary16.
  case f16
  /// The upper half of a binary32.
  case bf16

  public var byteCount: Int {
    switch self {
    case .f32: 4
    case .f16, .bf16: 2
    }
  }
}
