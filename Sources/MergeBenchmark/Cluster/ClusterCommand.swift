import ArgumentParser

struct ClusterCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cluster",
    abstract: "Compute how long a merge in parts takes on clusters of several sizes.",
    discussion: """
      Plans the merge of ADAPTER into BASE, assigns its files to parts as `safemerge merge --part` does, and simulates nodes that \
      make the parts: each plans, reads the adapter, reads the base's files and writes the result's. What a node moves is \
      bounded by --node, and what all move by --storage. Only headers are read, and nothing is written.

      Slow nodes and failures are drawn at random, the same for the same --seed: the table has the median of all trials, and the \
      time that 95 % of them need at most. After a failure a part is run again: complete files stay. Not modeled are the queue of a \
      scheduler, the finisher (milliseconds for each file), and copies that the storage makes itself.

      Examples:
        MergeBenchmark cluster ./base ./my-adapter --storage 3GB --node 1GB
        MergeBenchmark cluster ./base ./my-adapter --storage 100GB --node 5GB --nodes 8,16,32 --straggler 0.1,2 --failure 0.05
      """)

  @Argument(help: "The base checkpoint.", completion: .directory)
  var base: String

  @Argument(help: "The adapter.", completion: .directory)
  var adapter: String

  @Option(help: "Bytes per second that the shared storage reads and writes for all nodes, such as 3GB.")
  var storage: Bandwidth

  @Option(help: "Bytes per second that one node reads and writes, such as 1GB.")
  var node: Bandwidth

  @Option(help: "Numbers of nodes, such as 4,8,16. Default: the powers of two up to 256.")
  var nodes: NodeCounts?

  @Option(help: "Parts for each node, of which a free one takes the next.")
  var partsPerNode = 4

  @Option(help: ArgumentHelp("Slow nodes: 0.05,2 makes 5 % of them take twice as long.", valueName: "share,factor"))
  var straggler: Stragglers?

  @Option(help: ArgumentHelp("How often the process of a node ends by itself, in an hour.", valueName: "rate"))
  var failure = 0.0

  @Option(help: ArgumentHelp("How long a node plans. Default: as long as it takes here.", valueName: "seconds"))
  var plan: Double?

  @Option(help: "Runs of which the median and 95 % are taken.")
  var trials = 100

  @Option(help: "The seed of slow nodes and failures.")
  var seed: UInt64 = 1

  @Flag(help: "Print JSON lines.")
  var json = false

  private static let mostPartsPerNode = 64

  func validate() throws {
    if !(1...Self.mostPartsPerNode).contains(partsPerNode) {
      throw ValidationError("--parts-per-node \(partsPerNode): expected 1 to \(Self.mostPartsPerNode).")
    }
    if !failure.isFinite || failure < 0 {
      throw ValidationError("--failure \(failure): expected a rate of at least 0.")
    }
    if let plan, !plan.isFinite || plan < 0 { throw ValidationError("--plan \(plan): expected at least 0 seconds.") }
    if !(1...100_000).contains(trials) { throw ValidationError("--trials \(trials): expected 1 to 100000.") }
  }

  func run() throws {
    var load = try ClusterLoad(base: base, adapter: adapter)
    if let plan { load.planSeconds = plan }
    let table = ClusterTable(
      hasStragglers: straggler.map { $0.share > 0 } ?? false, hasFailures: failure > 0, output: Output(isJSON: json))
    table.begin(load, base: base, command: self)
    for count in (nodes ?? .standard).counts {
      let cluster = Cluster(
        nodeCount: count, partsPerNode: partsPerNode, nodeRate: node.bytesPerSecond, storageRate: storage.bytesPerSecond
      )
      table.add(
        ClusterEstimate(
          load, on: cluster, stragglers: straggler ?? .none, failuresPerHour: failure, trials: trials, seed: seed))
    }
  }
}
