/// Disjoint parts of a file, in order.
package struct ByteRanges: Equatable, Sendable {
  package private(set) var ranges: [Range<Int>] = []

  package init() {}

  package var byteCount: Int { ranges.reduce(0) { $0 + $1.count } }

  /// Whether it contains all of `range`.
  package func contains(_ range: Range<Int>) -> Bool {
    if range.isEmpty { return true }
    let position = firstEnding(after: range.lowerBound)
    return position < ranges.count && ranges[position].lowerBound <= range.lowerBound
      && range.upperBound <= ranges[position].upperBound
  }

  package mutating func insert(_ range: Range<Int>) {
    if range.isEmpty { return }
    // Adjacent ranges are joined.
    let first = firstEnding(after: range.lowerBound - 1)
    var (last, merged) = (first, range)
    while last < ranges.count, ranges[last].lowerBound <= range.upperBound {
      merged = min(merged.lowerBound, ranges[last].lowerBound)..<max(merged.upperBound, ranges[last].upperBound)
      last += 1
    }
    ranges.replaceSubrange(first..<last, with: [merged])
  }

  /// The position of the first part that ends after `offset`.
  private func firstEnding(after offset: Int) -> Int {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound > offset { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
