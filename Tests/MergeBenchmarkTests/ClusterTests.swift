import Adapters
import ArgumentParser
import Checkpoints
import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import MergeBenchmark

/// The cost model of clusters, against what follows by hand.
@Suite struct ClusterTests {
  private func load(_ bytes: [Int], adapter: Int = 0, plan: Double = 0) -> ClusterLoad {
    ClusterLoad(
      files: bytes.map { ClusterLoad.File(cost: $0, byteCount: 2 * $0) }, adapterByteCount: adapter, planSeconds: plan)
  }

  private func seconds(
    _ load: ClusterLoad, nodes: Int, partsPerNode: Int = 1, node: Double, storage: Double,
    stragglers: Stragglers = .none, failures: Double = 0, seed: UInt64 = 1
  ) -> Double {
    let cluster = Cluster(nodeCount: nodes, partsPerNode: partsPerNode, nodeRate: node, storageRate: storage)
    var run = ClusterRun(
      load, on: cluster, parts: load.assignment(parts: cluster.partCount).files, stragglers: stragglers,
      failuresPerHour: failures, seed: seed)
    return run.seconds()
  }

  private func areClose(_ one: Double, _ other: Double, _ tolerance: Double = 1e-9) -> Bool {
    abs(one - other) <= tolerance * max(abs(one), abs(other))
  }

  // MARK: - Closed forms

  @Test func oneNodeTakesTheSum() {
    let load = load([300, 100, 200], adapter: 50, plan: 3)
    #expect(areClose(seconds(load, nodes: 1, node: 10, storage: 100), 3 + (50 + 1200) / 10))
    #expect(areClose(seconds(load, nodes: 1, node: 100, storage: 10), 3 + (50 + 1200) / 10))
    // Each of three parts plans and reads the adapter.
    #expect(areClose(seconds(load, nodes: 1, partsPerNode: 3, node: 10, storage: 100), 9 + (150 + 1200) / 10))
  }

  @Test(arguments: [2, 4, 8]) func aFullStorageTakesTheSumForAnyNumberOfNodes(nodes: Int) {
    let load = load(Array(repeating: 100, count: 16), adapter: 40, plan: 2)
    let bytes = Double(3200 + 40 * nodes)
    #expect(areClose(seconds(load, nodes: nodes, node: 50, storage: 20), 2 + bytes / 20))
  }

  @Test func nodesBelowTheStorageShareTheSum() {
    let load = load(Array(repeating: 100, count: 16), plan: 2)
    for nodes in [1, 2, 4, 8, 16] {
      #expect(areClose(seconds(load, nodes: nodes, node: 10, storage: 1000), 2 + 3200 / (10 * Double(nodes))))
    }
  }

  @Test func nothingIsFasterThanTheLargestFile() {
    let load = load([1000, 10, 10, 10], adapter: 20, plan: 1)
    for nodes in [4, 64] {
      #expect(areClose(seconds(load, nodes: nodes, node: 10, storage: 1000), 1 + (20 + 2000) / 10))
    }
  }

  @Test func aNodeThatIsDoneLeavesItsShareToTheOthers() {
    // Two nodes share 10 for 20 s; then the other has all of it, of which it can use 8.
    let time = seconds(load([100, 50]), nodes: 2, node: 8, storage: 10)
    #expect(areClose(time, 20 + (200 - 20 * 5) / 8))
  }

  @Test func slowNodesAreSlowInEverything() {
    let load = load([300, 100, 200], adapter: 50, plan: 3)
    let all = Stragglers(share: 1, factor: 3)
    #expect(
      areClose(
        seconds(load, nodes: 2, node: 10, storage: 1e6, stragglers: all),
        3 * seconds(load, nodes: 2, node: 10, storage: 1e6)))
  }

  @Test func whatSlowNodesLeaveGoesToTheOthers() {
    func rates(_ usual: Double, _ slow: Double, _ storage: Double) -> [Double] {
      let rates = ClusterRun.rates(usual: usual, slow: slow, rate: 10, slowRate: 2, of: storage)
      return [rates.usual, rates.slow]
    }
    #expect(rates(2, 2, 100) == [10, 2])
    #expect(rates(2, 2, 20) == [8, 2])
    #expect(rates(2, 2, 4) == [1, 1])
    #expect(rates(0, 5, 5) == [1, 1])
  }

  /// A step that takes t alone and is begun again after each failure takes (e^(rt) - 1) / r on average, at r failures.
  @Test func failuresTakeTheExpectedTime() {
    let load = load([900], plan: 0)
    let (rate, time) = (1.0 / 1800, 1800.0)
    let count = 4000
    let sum = (1...count).reduce(0.0) { sum, seed in
      sum + seconds(load, nodes: 1, node: 1, storage: 1, failures: 2, seed: UInt64(seed) &* 977)
    }
    // e - 1 at a rate of one in the time that it takes.
    #expect(areClose(sum / Double(count), (2.718281828459045 - 1) / rate, 0.05))
    #expect(sum / Double(count) > time)
  }

  @Test func completeFilesStay() {
    // 100 files of 72 s with a failure each hour lose a file at most; one file of 7200 s is begun again and again.
    func mean(_ bytes: [Int]) -> Double {
      (1...200).reduce(0.0) { sum, seed in
        sum + seconds(load(bytes), nodes: 1, node: 1, storage: 1, failures: 1, seed: UInt64(seed) &* 977)
      } / 200
    }
    let many = mean(Array(repeating: 36, count: 100))
    #expect((7200...7450).contains(many), "\(many)")
    #expect(mean([3600]) > 15_000)
  }

  @Test func whatFailsAlwaysNeverEnds() {
    #expect(seconds(load([3600]), nodes: 1, node: 1, storage: 1, failures: 1e6) == .infinity)
    #expect(ClusterTable.time(.infinity) == "never")
  }

  // MARK: - What holds of any load

  @Test func noRunIsBelowItsBounds() {
    var random = SeededGenerator()
    for _ in 0..<100 {
      let load = load(
        (0..<Int.random(in: 1...40, using: &random)).map { _ in Int.random(in: 1...1000, using: &random) },
        adapter: Int.random(in: 0...100, using: &random), plan: Double.random(in: 0...5, using: &random))
      let cluster = Cluster(
        nodeCount: Int.random(in: 1...12, using: &random), partsPerNode: Int.random(in: 1...4, using: &random),
        nodeRate: Double.random(in: 1...50, using: &random), storageRate: Double.random(in: 1...200, using: &random))
      let assignment = load.assignment(parts: cluster.partCount)
      var run = ClusterRun(load, on: cluster, parts: assignment.files)
      let time = run.seconds()
      for (bound, least) in cluster.bounds(load, assignment) {
        #expect(time >= least * (1 - 1e-9), "\(bound): \(time) of \(cluster)")
      }
      // Twice as fast machines take half the time, where nothing but bytes takes any.
      let bytes = ClusterLoad(files: load.files, adapterByteCount: load.adapterByteCount, planSeconds: 0)
      let once = seconds(
        bytes, nodes: cluster.nodeCount, node: cluster.nodeRate, storage: cluster.storageRate)
      let twice = seconds(
        bytes, nodes: cluster.nodeCount, node: 2 * cluster.nodeRate, storage: 2 * cluster.storageRate)
      #expect(areClose(once, 2 * twice, 1e-6))
    }
  }

  @Test func theSameSeedDrawsTheSame() {
    let load = load((1...40).map { $0 * 10 }, plan: 1)
    func time(_ seed: UInt64) -> Double {
      seconds(
        load, nodes: 5, partsPerNode: 2, node: 1, storage: 3, stragglers: Stragglers(share: 0.4, factor: 2),
        failures: 1,
        seed: seed)
    }
    #expect(time(1) == time(1))
    #expect(Set((1...8).map(time)).count > 1)
  }

  /// Files as those of the 1.4 TB checkpoint: more nodes are faster until the storage is full, and trouble takes time.
  @Test func aLargeModelScales() {
    let load = load((0..<1433).map { 997_000_000 + $0 * 7919 % 4_000_003 }, adapter: 1_441_792, plan: 0.5)
    var last = Double.infinity
    for nodes in [1, 2, 4, 8, 16, 32] {
      let cluster = Cluster(nodeCount: nodes, partsPerNode: 4, nodeRate: 1e9, storageRate: 1e11)
      let estimate = ClusterEstimate(
        load, on: cluster, stragglers: Stragglers(share: 0.2, factor: 2), failuresPerHour: 1, trials: 5, seed: 1)
      #expect(estimate.ideal < last)
      #expect(estimate.bound == .node)
      #expect(estimate.speedup > 0.9 * Double(nodes) && estimate.speedup <= Double(nodes))
      if let slow = estimate.withStragglers, let failing = estimate.withFailures {
        #expect(slow.median >= estimate.ideal * 0.999 && slow.mostly >= slow.median)
        #expect(failing.mostly >= slow.median)
      } else {
        Issue.record("no times with slow nodes or failures")
      }
      last = estimate.ideal
      #expect(load.assignment(parts: nodes * 2).imbalance <= 1.03)
    }
  }

  @Test func theLongestBoundDecides() {
    let load = load(Array(repeating: 100, count: 16), plan: 1)
    func bound(_ nodes: Int, node: Double, storage: Double, _ load: ClusterLoad) -> Cluster.Bound {
      let cluster = Cluster(nodeCount: nodes, partsPerNode: 1, nodeRate: node, storageRate: storage)
      return cluster.bound(load, load.assignment(parts: cluster.partCount))
    }
    #expect(bound(4, node: 10, storage: 1000, load) == .node)
    #expect(bound(4, node: 10, storage: 20, load) == .storage)
    #expect(bound(32, node: 10, storage: 1000, load) == .largestFile)
    let fast = ClusterLoad(files: load.files, adapterByteCount: 0, planSeconds: 100)
    #expect(bound(2, node: 1e6, storage: 1e6, fast) == .largestFile)
    let cluster = Cluster(nodeCount: 2, partsPerNode: 4, nodeRate: 1e6, storageRate: 1e6)
    #expect(cluster.bound(fast, fast.assignment(parts: 8)) == .planning)
  }

  // MARK: - Plans, arguments and texts

  @Test func theLoadIsThePlans() throws {
    let scratch = try Scratch()
    try MakeCommand.parse([scratch.path, "--quiet", "--size", "tiny", "--shards", "3", "--targets", "q"]).run()
    let (base, adapter) = (scratch.file("base"), scratch.file("adapter"))
    let load = try ClusterLoad(base: base, adapter: adapter)
    let checkpoint = try Checkpoint(path: base)
    let plan = try MergePlan(
      base: checkpoint, adapters: [AdapterUse(try Adapter(folder: adapter))], options: MergeOptions())
    #expect(load.files.map(\.cost) == plan.fileCosts)
    #expect(
      load.files.map(\.byteCount)
        == zip(plan.shards, checkpoint.files).map { $0.fileByteCount + $1.header.dataByteCount })
    #expect(load.adapterByteCount == (try contents(adapter + "/adapter_model.safetensors")).count)
    #expect(load.planSeconds > 0)
    for form in [[], ["--json"]] {
      try ClusterCommand.parse(
        [base, adapter, "--storage", "3GB", "--node", "1GB", "--nodes", "1,3", "--straggler", "0.5,2", "--trials", "2"]
          + form
      ).run()
    }
  }

  @Test func bandwidthsHaveUnits() {
    for (text, bytes) in [
      ("1", 1), ("1e9", 1e9), ("3GB", 3e9), ("3G", 3e9), ("1.5TB/s", 1.5e12), ("500MiB", 500 * 1_048_576),
      ("8KiB/s", 8192),
      ("7B", 7),
    ] as [(String, Double)] {
      #expect(Bandwidth(argument: text)?.bytesPerSecond == bytes, "\(text)")
    }
    for text in ["", "GB", "0", "-3GB", "0.5", "3XB", "inf", "nan", "3 GB", "5i", "5iB"] {
      #expect(Bandwidth(argument: text) == nil, "\(text)")
    }
  }

  @Test func listsAreComplete() {
    #expect(NodeCounts(argument: "1,2,40")?.counts == [1, 2, 40])
    #expect(NodeCounts.standard.counts == [1, 2, 4, 8, 16, 32, 64, 128, 256])
    for text in ["", "0", "1,", "a", "1,5000", "1 2"] { #expect(NodeCounts(argument: text) == nil, "\(text)") }
    #expect(Stragglers(argument: "0.05,2") == Stragglers(share: 0.05, factor: 2))
    for text in ["", "0.5", "2,2", "0.5,0.5", "0.5,2,3", "-1,2", "0.5,inf", "nan,2"] {
      #expect(Stragglers(argument: text) == nil, "\(text)")
    }
  }

  @Test(arguments: [
    ["--storage", "3GB"], ["--storage", "3GB", "--node", "x"], ["--storage", "3GB", "--node", "1GB", "--trials", "0"],
    ["--storage", "3GB", "--node", "1GB", "--failure=-1"], ["--storage", "3GB", "--node", "1GB", "--plan=-1"],
    ["--storage", "3GB", "--node", "1GB", "--parts-per-node", "65"],
  ]) func wrongOptionsAreRefused(_ options: [String]) {
    #expect(throws: (any Error).self) { try ClusterCommand.parse(["base", "adapter"] + options) }
  }

  @Test func timesAndAmountsAreReadable() {
    #expect(ClusterTable.time(9.34) == "9.3 s")
    #expect(ClusterTable.time(99.96) == "1 min 40 s")
    #expect(ClusterTable.time(968) == "16 min 8 s")
    #expect(ClusterTable.time(8186) == "2 h 16 min")
    #expect(ClusterTable.amount(512) == "512 B")
    #expect(ClusterTable.amount(2.863e12) == "2.86 TB")
    #expect(ClusterTable.amount(999_700) == "1.00 MB")
    #expect(ClusterTable.amount(31.25e9) == "31.3 GB")
    let times = ClusterEstimate.Times((1...20).map(Double.init))
    #expect(times == ClusterEstimate.Times((1...20).reversed().map(Double.init)))
    #expect(times.median == 10.5 && times.mostly == 19)
    #expect(ClusterEstimate.Times([7]).mostly == 7)
  }
}
