/// Numbers for lists of integers, from 0 on: equal lists have the same one.
///
/// The lists share one buffer, so that a hundred thousand of them are no hundred thousand allocations.
struct RunNumbers {
  private var values: [Int] = []
  /// Of each list, where its values end.
  private var runs: [(end: Int, hash: Int)] = []
  /// The number of the list at its place by hash, or at the next free one behind it; -1: free.
  private var slots = [Int](repeating: -1, count: 64)

  /// The number of a list: a new one, the number of lists before it, if it was not seen before.
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

  /// Seeded, so that no file can make lists meet.
  private static func hash(_ run: [Int]) -> Int {
    var hasher = Hasher()
    run.withUnsafeBytes { hasher.combine(bytes: $0) }
    return hasher.finalize()
  }
}
