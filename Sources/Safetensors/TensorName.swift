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
    var (one, other) = (left.string, right.string)
    return one.withUTF8 { oneBytes in
      other.withUTF8 { otherBytes in
        let count = min(oneBytes.count, otherBytes.count)
        guard count > 0, let one = oneBytes.baseAddress, let other = otherBytes.baseAddress else {
          return oneBytes.count < otherBytes.count
        }
        let order = unsafe memcmp(one, other, count)
        return order == 0 ? oneBytes.count < otherBytes.count : order < 0
      }
    }
  }
}

extension TensorName: CustomStringConvertible, ExpressibleByStringLiteral {
  public var description: String { string }
  public init(stringLiteral: String) { string = stringLiteral }
}
