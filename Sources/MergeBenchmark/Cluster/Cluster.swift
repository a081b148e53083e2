import MergePlanning

/// Nodes that merge the parts of a model between them, and a storage that all of them read and write.
struct Cluster: Equatable {
  let nodeCount: Int
  /// Parts for each node, of which a free one takes the next.
  let partsPerNode: Int
  /// Bytes that a node reads and writes in a second while it is alone.
  let nodeRate: Double
  /// Bytes that the storage reads and writes in a second for all nodes together.
  let storageRate: Double

  var partCount: Int { nodeCount * partsPerNode }

  /// What nothing but other machines or other files makes shorter.
  enum Bound: String, CaseIterable {
    case storage
    case node
    case largestFile = "largest file"
    case planning
  }

  /// For each bound a time in seconds that no run is below, without slow nodes and failures.
  ///
  /// With R + W bytes of all files and parts, n nodes, and p seconds for a plan: (R + W) / storage; (R + W) / (n node);
  /// p and the largest file by one node; p times the parts that some node makes.
  func bounds(_ load: ClusterLoad, _ assignment: Assignment) -> [Bound: Double] {
    let used = assignment.files.count { !$0.isEmpty }
    let bytes = Double(load.byteCount(parts: used))
    let largest = load.files.map(\.byteCount).max().map { Double($0 + load.adapterByteCount) } ?? 0
    let rounds = (used + nodeCount - 1) / nodeCount
    return [
      .storage: bytes / storageRate, .node: bytes / (Double(nodeCount) * nodeRate),
      .largestFile: load.planSeconds + largest / min(nodeRate, storageRate),
      .planning: load.planSeconds * Double(rounds),
    ]
  }

  /// The bound that decides: the longest.
  func bound(_ load: ClusterLoad, _ assignment: Assignment) -> Bound {
    let times = bounds(load, assignment)
    return Bound.allCases.max { times[$0, default: 0] < times[$1, default: 0] } ?? .node
  }
}
