#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A tensor's name: equal, hashed and ordered by its UTF-8 bytes.
///
/// Swift's `String` treats two spellings of é as equal and does not sort by bytes; the format compares and sorts bytes.
public struct TensorName: Sendable {
  public let string: String

  public init(_ string: String) { self.string = string }
}

extension TensorName: Hashable {
  public static func == (left: Self, right: Self) -> Bool {
    // withUTF8 is mutating for strings that are not contiguous; these are, so that it copies nothing.
    var (one, other) = (left.string, right.string)
    return one.withUTF8 { oneBytes in
      other.withUTF8 { otherBytes in
        guard oneBytes.count == otherBytes.count else { return false }
        guard let one = oneBytes.baseAddress, let other = otherBytes.baseAddress else { return true }
        return unsafe memcmp(one, other, oneBytes.count) == 0
      }
    }
  }

  public func hash(into hasher: inout Hasher) {
    var string = string
    string.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

extension TensorName: Comparable {
  public static func < (left: Self, right: Self) -> Bool {
    left.string.utf8.lexicographicallyPrecedes(right.string.utf8)
  }
}

extension TensorName: CustomStringConvertible, ExpressibleByStringLiteral {
  public var description: String { string }
  public init(stringLiteral: String) { string = stringLiteral }
}
