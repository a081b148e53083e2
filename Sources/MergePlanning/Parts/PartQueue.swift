/// Parts in the order of what they have so far, as a binary heap: 100,000 parts are no reason to look at each for each file.
struct PartQueue {
  /// By the parts' indexes.
  private(set) var costs: [Int]
  /// Indexes of parts; each comes before the two below it.
  private var heap: [Int]

  init(count: Int) {
    costs = [Int](repeating: 0, count: count)
    heap = Array(0..<count)
  }

  /// Adds to the part that has the least, of several the one with the lowest index; returns its index.
  mutating func addToLeast(_ cost: Int) -> Int {
    let part = heap[0]
    costs[part] += cost
    var place = 0
    while true {
      var least = place
      for child in [2 * place + 1, 2 * place + 2]
      where child < heap.count && precedes(heap[child], heap[least]) { least = child }
      if least == place { return part }
      heap.swapAt(place, least)
      place = least
    }
  }

  private func precedes(_ one: Int, _ other: Int) -> Bool { (costs[one], one) < (costs[other], other) }
}
