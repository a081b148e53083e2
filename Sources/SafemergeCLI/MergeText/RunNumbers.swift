/// Numbers for lists of integers, starting at 0: equal lists have the same number.
///
/// The lists share one buffer, so that a hundred thousand lists do not need as many allocations.
struct RunNumbers {
  private var values: [Int] = []
  /// The end of each list's values.
  private var runs: [(end: Int, hash: Int)] = []
  /// A hash table of list numbers with linear probing; -1 marks a free slot.
  private var slots = [Int](repeating: -1, count: 64)

  /// The number of a list. A new list gets the number of lists so far.
  mutating func number(of run: [Int]) -> Int {
    if runs.count * 2 >= slots.count { grow() }
    let hash = Self.hash(run)
    var slot = hash & (slots.count - 1)
    while slots[slot] >= 0 {
      let number = slots[slot]
      if runs[number].hash == hash, self[number].elementsEqual(run) { return number }
      slot = (slot + 1) & (slots.count - 1)
    }
    slots[slot] = runs.count
    values.append(contentsOf: run)
    runs.append((values.count, hash))
    return runs.count - 1
  }

  private subscript(number: Int) -> ArraySlice<Int> {
    values[(number == 0 ? 0 : runs[number - 1].end)..<runs[number].end]
  }

  private mutating func grow() {
    slots = [Int](repeating: -1, count: slots.count * 2)
    for (number, run) in runs.enumerated() {
      var slot = run.hash & (slots.count - 1)
      while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = number
    }
  }

  /// Seeded, so that a file cannot cause collisions.
  private static func hash(_ run: [Int]) -> Int {
    var hasher = Hasher()
    run.withUnsafeBytes { hasher.combine(bytes: $0) }
    return hasher.finalize()
  }
}
