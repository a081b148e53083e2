import MergePlanning

/// What runs of a merge take on a cluster of one size.
struct ClusterEstimate {
  /// Times of several runs, in seconds.
  struct Times: Equatable {
    let median: Double
    /// Of 20 runs 19 take no longer.
    let mostly: Double

    /// - Parameter values: At least one.
    init(_ values: [Double]) {
      let sorted = values.sorted()
      median = Distribution(sorted).median
      mostly = sorted[max(0, (sorted.count * 19 + 19) / 20 - 1)]
    }
  }

  let cluster: Cluster
  /// The cost of the largest part over the mean.
  let imbalance: Double
  /// All nodes alike, and no failures.
  let ideal: Double
  /// How many times longer one process on one node takes.
  let speedup: Double
  /// Nil: there are no slow nodes.
  let withStragglers: Times?
  /// With slow nodes where there are any; nil: nothing fails.
  let withFailures: Times?
  let bound: Cluster.Bound

  /// - Parameters:
  ///   - trials: Runs with random numbers, at least 1.
  ///   - seed: The same seed gives the same times.
  init(
    _ load: ClusterLoad, on cluster: Cluster, stragglers: Stragglers, failuresPerHour: Double, trials: Int, seed: UInt64
  ) {
    let assignment = load.assignment(parts: cluster.partCount)
    self.cluster = cluster
    imbalance = assignment.imbalance
    bound = cluster.bound(load, assignment)
    func run(_ stragglers: Stragglers, _ failures: Double, _ seed: UInt64) -> Double {
      var run = ClusterRun(
        load, on: cluster, parts: assignment.files, stragglers: stragglers, failuresPerHour: failures, seed: seed)
      return run.seconds()
    }
    func times(_ failures: Double) -> Times {
      Times((0..<trials).map { run(stragglers, failures, seed &* 0x1_0000 &+ UInt64($0)) })
    }
    ideal = run(.none, 0, seed)
    withStragglers = stragglers.share > 0 ? times(0) : nil
    withFailures = failuresPerHour > 0 ? times(failuresPerHour) : nil
    let one = Cluster(
      nodeCount: 1, partsPerNode: 1, nodeRate: cluster.nodeRate, storageRate: cluster.storageRate)
    var alone = ClusterRun(load, on: one, parts: load.assignment(parts: 1).files)
    speedup = ideal > 0 ? alone.seconds() / ideal : 1
  }
}
