import Safetensors

/// Some of the dtypes, in one word.
struct DTypeSet: Equatable, Sendable {
  private var bits: UInt32 = 0

  mutating func insert(_ dtype: DType) { bits |= 1 << UInt32(dtype.rawValue) }

  mutating func formUnion(_ other: DTypeSet) { bits |= other.bits }

  /// In the order of ``DType``.
  var names: [String] { DType.allCases.filter { bits & 1 << UInt32($0.rawValue) != 0 }.map(\.name) }
}
