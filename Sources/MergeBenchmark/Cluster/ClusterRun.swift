#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// A merge in parts on a cluster, event by event: each free node takes the next part, plans, reads the adapter, and makes the
/// part's files one after another.
///
/// Nodes that read and write share the storage evenly, each up to its own rate: what slow ones leave goes to the others.
/// The process on a node ends at random, at a rate for each hour. The node then runs the part again: complete files stay, and
/// the file that was being made, plan and adapter are done once more.
struct ClusterRun {
  /// One node and what its process has to do next.
  private struct Node {
    let isSlow: Bool
    /// Files of the part that are not complete, in reverse.
    var files: [Int] = []
    /// Seconds of the plan that are left.
    var seconds = 0.0
    /// Bytes that are left of the adapter or of the file being made.
    var bytes = 0.0
    var readsAdapter = false
    /// When its process ends, in seconds from the start of all.
    var failure = Double.infinity
    var isBusy = false

    var transfers: Bool { isBusy && seconds <= 0 }
  }

  private let load: ClusterLoad
  private let cluster: Cluster
  private let parts: [[Int]]
  private let slowdown: Double
  private let failuresPerHour: Double
  private var random: SplitMix
  private var nodes: [Node]
  private var next = 0
  private var now = 0.0
  private var failureCount = 0

  /// - Parameters:
  ///   - parts: The files of each part, as the assignment has them.
  ///   - stragglers: Which nodes are slow is drawn for each run.
  ///   - failuresPerHour: How often a process ends by itself, on average, while it runs.
  ///   - seed: The same seed draws the same.
  init(
    _ load: ClusterLoad, on cluster: Cluster, parts: [[Int]], stragglers: Stragglers = .none,
    failuresPerHour: Double = 0, seed: UInt64 = 1
  ) {
    self.load = load
    self.cluster = cluster
    self.parts = parts.filter { !$0.isEmpty }
    self.failuresPerHour = failuresPerHour
    slowdown = stragglers.factor
    var random = SplitMix(state: seed)
    nodes = (0..<cluster.nodeCount).map { _ in Node(isSlow: Self.uniform(&random) < stragglers.share) }
    self.random = random
  }

  /// In [0, 1).
  private static func uniform(_ random: inout SplitMix) -> Double { Double(random.next() >> 11) * 0x1p-53 }

  /// How long the run takes, in seconds; infinite if processes end so often that it makes no progress.
  mutating func seconds() -> Double {
    for number in nodes.indices { takePart(number) }
    let mostFailures = 100 * (load.files.count + parts.count)
    while nodes.contains(where: \.isBusy) {
      if failureCount > mostFailures { return .infinity }
      advance()
    }
    return now
  }

  private mutating func takePart(_ number: Int) {
    nodes[number].isBusy = next < parts.count
    guard nodes[number].isBusy else { return }
    nodes[number].files = parts[next].reversed()
    next += 1
    begin(number)
  }

  /// Starts a process for the files that are left.
  private mutating func begin(_ number: Int) {
    nodes[number].seconds = load.planSeconds * (nodes[number].isSlow ? slowdown : 1)
    nodes[number].bytes = Double(load.adapterByteCount)
    nodes[number].readsAdapter = true
    guard failuresPerHour > 0 else { return }
    nodes[number].failure = now - log(1 - Self.uniform(&random)) * 3600 / failuresPerHour
  }

  /// Moves the time to the next event, and does what follows.
  private mutating func advance() {
    let rates = rates()
    func rate(_ node: Node) -> Double { node.isSlow ? rates.slow : rates.usual }
    var (time, first, isFailure) = (Double.infinity, 0, false)
    for (number, node) in nodes.enumerated() where node.isBusy {
      let work = max(0, node.transfers ? node.bytes / rate(node) : node.seconds)
      let untilFailure = max(0, node.failure - now)
      if min(work, untilFailure) < time {
        (time, first, isFailure) = (min(work, untilFailure), number, untilFailure < work)
      }
    }
    let wasPlanning = !nodes[first].transfers
    now += time
    for number in nodes.indices where nodes[number].isBusy {
      if nodes[number].transfers {
        nodes[number].bytes -= time * rate(nodes[number])
      } else {
        nodes[number].seconds -= time
      }
    }
    if isFailure {
      failureCount += 1
      begin(first)
    } else if wasPlanning {
      // Rounding may leave a little.
      nodes[first].seconds = 0
    } else {
      finishStep(first)
    }
  }

  /// The adapter is read, or a file is complete.
  private mutating func finishStep(_ number: Int) {
    if nodes[number].readsAdapter { nodes[number].readsAdapter = false } else { nodes[number].files.removeLast() }
    if let file = nodes[number].files.last {
      nodes[number].bytes = Double(load.files[file].byteCount)
    } else {
      takePart(number)
    }
  }

  /// The rates of nodes that read and write now, in bytes per second.
  private func rates() -> (usual: Double, slow: Double) {
    var (usual, slow) = (0.0, 0.0)
    for node in nodes where node.transfers { if node.isSlow { slow += 1 } else { usual += 1 } }
    return Self.rates(
      usual: usual, slow: slow, rate: cluster.nodeRate, slowRate: cluster.nodeRate / slowdown, of: cluster.storageRate)
  }

  /// Shares a storage evenly, each node up to its own rate.
  ///
  /// - Parameters:
  ///   - usual: How many nodes have `rate`.
  ///   - slow: How many have `slowRate`.
  static func rates(
    usual: Double, slow: Double, rate: Double, slowRate: Double, of storage: Double
  ) -> (usual: Double, slow: Double) {
    guard usual * rate + slow * slowRate > storage else { return (rate, slowRate) }
    let share = storage / (usual + slow)
    return slowRate <= share && usual > 0 ? ((storage - slow * slowRate) / usual, slowRate) : (share, share)
  }
}
