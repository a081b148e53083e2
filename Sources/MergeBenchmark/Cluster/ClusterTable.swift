/// The estimates as a table, or as JSON lines.
struct ClusterTable {
  let hasStragglers: Bool
  let hasFailures: Bool
  let output: Output

  /// What is merged, and the names of the columns.
  func begin(_ load: ClusterLoad, base: String, command: ClusterCommand) {
    let bytes = load.files.reduce(0) { $0 + $1.byteCount }
    let largest = load.files.map(\.byteCount).max() ?? 0
    output.text(
      "\(base): \(load.files.count) files, \(Self.amount(Double(bytes))) to read and write, \(Self.amount(Double(largest))) for the "
        + "largest; adapter \(Self.amount(Double(load.adapterByteCount))); a plan takes \(Figures.fixed(load.planSeconds, 1)) s"
    )
    output.text(
      "storage \(Self.amount(command.storage.bytesPerSecond))/s, node \(Self.amount(command.node.bytesPerSecond))/s, "
        + "\(command.partsPerNode) parts a node"
        + (command.straggler.map {
          ", \(Figures.fixed($0.share * 100, 1)) % of nodes "
            + "\(Figures.fixed($0.factor, 1)) times slower"
        } ?? "")
        + (hasFailures ? ", \(Figures.fixed(command.failure, 3)) failures per node and hour" : ""))
    output.text(
      line(
        "nodes", "parts", "largest/mean", "ideal", hasStragglers ? ("slow nodes", "95 %") : nil,
        hasFailures ? ("failures", "95 %") : nil, "speedup", "bound by"))
  }

  func add(_ estimate: ClusterEstimate) {
    func texts(_ times: ClusterEstimate.Times?) -> (String, String)? {
      times.map { (Self.time($0.median), Self.time($0.mostly)) }
    }
    let cluster = estimate.cluster
    output.text(
      line(
        "\(cluster.nodeCount)", "\(cluster.partCount)", Figures.fixed(estimate.imbalance, 3), Self.time(estimate.ideal),
        texts(estimate.withStragglers), texts(estimate.withFailures), Figures.fixed(estimate.speedup, 1),
        estimate.bound.rawValue))
    output.record("cluster") { writer in
      writer.member("nodes", cluster.nodeCount)
      writer.member("parts", cluster.partCount)
      writer.member("imbalance", estimate.imbalance)
      writer.member("seconds", estimate.ideal)
      for (name, times) in [("straggler", estimate.withStragglers), ("failure", estimate.withFailures)] {
        guard let times else { continue }
        writer.member("\(name)_seconds_median", times.median)
        writer.member("\(name)_seconds_95", times.mostly)
      }
      writer.member("speedup", estimate.speedup)
      writer.member("bound", estimate.bound.rawValue)
    }
  }

  private func line(
    _ nodes: String, _ parts: String, _ imbalance: String, _ ideal: String, _ slow: (String, String)?,
    _ failing: (String, String)?, _ speedup: String, _ bound: String
  ) -> String {
    var cells = [(nodes, 5), (parts, 6), (imbalance, 13), (ideal, 12)]
    for pair in [slow, failing] { if let pair { cells += [(pair.0, 12), (pair.1, 12)] } }
    cells.append((speedup, 8))
    return cells.map { Figures.padded($0.0, $0.1) }.joined() + "  " + bound
  }

  /// Bytes in the largest decimal unit of which there is one.
  static func amount(_ bytes: Double) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"]
    var (value, unit) = (bytes, 0)
    while value >= 999.5, unit + 1 < units.count { (value, unit) = (value / 1000, unit + 1) }
    return "\(Figures.fixed(value, unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2)) \(units[unit])"
  }

  /// A time in two units at most: `9.3 s`, `16 min 8 s`, `2 h 16 min`.
  static func time(_ seconds: Double) -> String {
    guard seconds.isFinite else { return "never" }
    if seconds < 99.95 { return "\(Figures.fixed(seconds, 1)) s" }
    let whole = Int(seconds.rounded())
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    let minutes = (whole + 30) / 60
    return "\(minutes / 60) h \(minutes % 60) min"
  }
}
