/// Finds the elements of the largest magnitude, and of equal ones the same that torch finds.
///
/// torch 2.13's `topk` on a CPU does not say which of equal elements it takes: that follows from the steps of the C++
/// library's selection. These are the steps of libstdc++ 14 (`std::nth_element`: quickselect with the median of three,
/// `std::partial_sort`: a heap of the best so far), with which torch is built for Linux; other platforms and devices may
/// take others of equal elements.
struct TorchTopK {
  /// Elements that one selection can take.
  static let limit = 1 << 33

  /// The magnitude's bits above the index. The bits of magnitudes are in the order of the magnitudes; every NaN is one.
  private var entries: [UInt64]
  private static let indexBitCount: UInt64 = 33

  /// The places of the `count` largest magnitudes in no order; NaN is larger than all.
  ///
  /// - Parameters:
  ///   - values: At most ``limit``.
  ///   - count: At most as many as there are.
  static func indices(of values: [Float], count: Int) -> [Int] {
    if count <= 0 { return [] }
    if count >= values.count { return Array(values.indices) }
    var selection = TorchTopK(values)
    // torch's own rule for which of the two it uses.
    if count.multipliedReportingOverflow(by: 64).partialValue <= values.count {
      selection.selectByHeap(count, 0..<values.count)
    } else {
      selection.partition(around: count - 1)
    }
    return selection.entries[..<count].map { Int($0 & (1 << indexBitCount - 1)) }
  }

  private init(_ values: [Float]) {
    entries = []
    entries.reserveCapacity(values.count)
    for (index, value) in values.enumerated() {
      let magnitude = value.isNaN ? 0x7FC0_0000 : value.bitPattern & 0x7FFF_FFFF
      entries.append(UInt64(magnitude) << Self.indexBitCount | UInt64(index))
    }
  }

  private static func precedes(_ left: UInt64, _ right: UInt64) -> Bool {
    left >> indexBitCount > right >> indexBitCount
  }

  private func precedes(_ left: Int, _ right: Int) -> Bool { Self.precedes(entries[left], entries[right]) }

  // MARK: - Quickselect

  /// Brings the element that belongs at `place` there, and those that precede it before it.
  private mutating func partition(around place: Int) {
    var (first, last) = (0, entries.count)
    var depth = 2 * (Int.bitWidth - 1 - entries.count.leadingZeroBitCount)
    while last - first > 3 {
      if depth == 0 {
        selectByHeap(place + 1 - first, first..<last)
        return entries.swapAt(first, place)
      }
      depth -= 1
      let cut = split(first, last)
      if cut <= place { first = cut } else { last = cut }
    }
    for next in first..<last {
      var position = next
      while position > first, precedes(position, position - 1) {
        entries.swapAt(position, position - 1)
        position -= 1
      }
    }
  }

  /// Splits a range at the median of its second, middle and last element; returns where the second part begins.
  private mutating func split(_ first: Int, _ last: Int) -> Int {
    let (one, middle, end) = (first + 1, first + (last - first) / 2, last - 1)
    let median: Int
    if precedes(one, middle) {
      median = precedes(middle, end) ? middle : precedes(one, end) ? end : one
    } else {
      median = precedes(one, end) ? one : precedes(middle, end) ? end : middle
    }
    entries.swapAt(first, median)
    let pivot = entries[first]
    var (low, high) = (first + 1, last)
    while true {
      while Self.precedes(entries[low], pivot) { low += 1 }
      high -= 1
      while Self.precedes(pivot, entries[high]) { high -= 1 }
      if low >= high { return low }
      entries.swapAt(low, high)
      low += 1
    }
  }

  // MARK: - Heap

  /// Brings the first `count` elements of `range` to its start: a heap whose root is the last of them.
  private mutating func selectByHeap(_ count: Int, _ range: Range<Int>) {
    let start = range.lowerBound
    for parent in stride(from: count / 2 - 1, through: 0, by: -1) {
      sink(entries[start + parent], from: parent, count, start)
    }
    for next in start + count..<range.upperBound where precedes(next, start) {
      let value = entries[next]
      entries[next] = entries[start]
      sink(value, from: 0, count, start)
    }
  }

  /// Puts `value` into the heap below `top`: the hole goes down to a leaf first, and up again.
  private mutating func sink(_ value: UInt64, from top: Int, _ count: Int, _ start: Int) {
    var hole = top
    var child = 2 * hole + 2
    while child < count {
      if precedes(start + child, start + child - 1) { child -= 1 }
      entries[start + hole] = entries[start + child]
      hole = child
      child = 2 * hole + 2
    }
    if child == count {
      entries[start + hole] = entries[start + child - 1]
      hole = child - 1
    }
    while hole > top, Self.precedes(entries[start + (hole - 1) / 2], value) {
      entries[start + hole] = entries[start + (hole - 1) / 2]
      hole = (hole - 1) / 2
    }
    entries[start + hole] = value
  }
}
