/// Which weight files of a result each part of a merge writes: whole files, balanced by their cost.
///
/// A pure function of the costs: every process computes the same. Largest first, each file to the part with the least
/// so far. At equal costs the file that comes first in the plan goes first; at equal sums the part with the lowest index.
///
/// It is in no file and no digest: a part is a hint which files its process should write. Parts of different counts may
/// be mixed.
public struct Assignment: Sendable, Equatable {
  /// For each part the weight files that it writes, by their places in the plan, in the order in which they are written:
  /// largest first. Parts beyond the number of files have none.
  public let files: [[Int]]
  /// For each part the sum of its files' costs.
  public let costs: [Int]

  /// Distributes weight files over parts.
  ///
  /// - Parameters:
  ///   - costs: The cost of each weight file, in the order of the plan.
  ///   - count: The number of parts, at least 1.
  public init(costs: [Int], parts count: Int) {
    var files = [[Int]](repeating: [], count: max(1, count))
    var queue = PartQueue(count: files.count)
    let order = costs.indices.sorted { (costs[$1], $0) < (costs[$0], $1) }
    for file in order { files[queue.addToLeast(costs[file])].append(file) }
    self.files = files
    self.costs = queue.costs
  }

  /// How much longer the largest part is than the mean; 1 is a perfect balance, and that of no costs.
  public var imbalance: Double {
    let sum = costs.reduce(0.0) { $0 + Double($1) }
    guard sum > 0, let largest = costs.max() else { return 1 }
    return Double(largest) * Double(costs.count) / sum
  }
}
