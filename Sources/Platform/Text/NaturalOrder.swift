/// Natural order: by bytes, but runs of digits by value, so that layer 2 comes before layer 10.
package enum NaturalOrder {
  package static func precedes(_ left: String, _ right: String) -> Bool {
    compare(left.utf8.span, right.utf8.span) < 0
  }

  private static func compare(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Int {
    var (i, j) = (0, 0)
    while i < left.count, j < right.count {
      guard isDigit(left[i]), isDigit(right[j]) else {
        if left[i] != right[j] { return left[i] < right[j] ? -1 : 1 }
        i += 1
        j += 1
        continue
      }
      let (one, other) = (digits(left, from: i), digits(right, from: j))
      let (oneCount, otherCount) = (one.upperBound - one.lowerBound, other.upperBound - other.lowerBound)
      if oneCount != otherCount { return oneCount < otherCount ? -1 : 1 }
      for offset in 0..<oneCount where left[one.lowerBound + offset] != right[other.lowerBound + offset] {
        return left[one.lowerBound + offset] < right[other.lowerBound + offset] ? -1 : 1
      }
      // For equal values, leading zeros decide only if nothing else does: lengths are compared at the end.
      i = one.upperBound
      j = other.upperBound
    }
    if i < left.count { return 1 }
    if j < right.count { return -1 }
    return left.count == right.count ? 0 : left.count < right.count ? -1 : 1
  }

  /// The run of digits from `start` on, without leading zeros.
  private static func digits(_ text: Span<UInt8>, from start: Int) -> Range<Int> {
    var end = start
    while end < text.count, isDigit(text[end]) { end += 1 }
    var first = start
    while first < end - 1, text[first] == UInt8(ascii: "0") { first += 1 }
    return first..<end
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}
