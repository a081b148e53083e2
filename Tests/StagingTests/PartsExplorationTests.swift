import Checkpoints
import Checksums
import Foundation
import Platform
import TestSupport
import Testing

@testable import Staging

/// Random histories of parts and finishers on a shared folder without locks: run once, twice, late, of two plans, killed at
/// any step, with their work removed while they run, on clients whose knowledge of folders and names is old.
///
/// Whatever has the output's name is complete, of one plan, and never changes; and when all that is left runs once more, there
/// is a result.
@Suite struct PartsExplorationTests {
  /// `SAFEMERGE_EXPLORATIONS=30000 swift test --filter PartsExplorationTests` explores more.
  private static let runs =
    ProcessInfo.processInfo.environment["SAFEMERGE_EXPLORATIONS"].flatMap { Int($0) } ?? 200

  /// How a history went wrong.
  struct Broken: Error { let what: String }

  /// A way to do it, of which some are known to be wrong.
  struct Design: Sendable {
    /// Finishers have one folder together.
    var sharesResult = false
    /// Weight files are moved, although several may do that at once.
    var linksMove = false
    var hasLinks = true
  }

  private struct Plan: Sendable {
    let identity: MergeIdentity
    let name: String

    init(_ name: String) {
      self.name = name
      identity = MergeIdentity(version: "1", options: [.init(name: "plan", value: name)], inputs: [])
    }

    func header(_ number: Int) -> [UInt8] { Array("\(name).\(number):".utf8) }
    func data(_ number: Int) -> [UInt8] { header(number) + Array("data".utf8) }
    func fileName(_ number: Int) -> String { "model-\(number).safetensors" }
    var record: [UInt8] { ResultRecord(identity, baseChecksums: [], files: []).text }

    /// What the result of the plan holds.
    var result: [String: [UInt8]] {
      var files = Dictionary(uniqueKeysWithValues: (0..<shardCount).map { (fileName($0), data($0)) })
      files["config.json"] = Array(name.utf8)
      files[ResultMarks.record] = record
      files["model.safetensors.index.json"] = Array(name.utf8)
      return files
    }
  }

  /// One history.
  private final class History: @unchecked Sendable {
    private let server: SimulatedServer
    private let design: Design
    private var first: [String: [UInt8]]?
    private var token = 0

    init(seed: UInt64, _ design: Design) {
      self.design = design
      server = SimulatedServer(seed: seed, hasLinks: design.hasLinks)
    }

    private func number(_ range: Range<Int>) -> Int { Int.random(in: range, using: &server.random) }

    private func folder(_ process: SimulatedServer.Process, isStale: Bool) -> SimulatedFolder {
      let sharesResult = design.sharesResult
      return SimulatedFolder(server, process, isStale: isStale, linksMove: design.linksMove) { path in
        guard sharesResult, let range = path.range(of: "/result-") else { return path }
        let rest = path[range.upperBound...].drop { $0 != "/" }
        return path[..<range.lowerBound] + "/result-0" + rest
      }
    }

    private func process(
      _ plan: Plan, isStale: Bool, _ body: @escaping @Sendable (PartsFolder, SimulatedFolder) throws -> String
    ) -> SimulatedServer.Process {
      token += 1
      let name = "t\(token)"
      return SimulatedServer.Process(server) { [self] process in
        let shared = folder(process, isStale: isStale)
        let parts = PartsFolder(output: "/r/OUT", identity: plan.identity, shared: shared, token: name)
        do { return try body(parts, shared) } catch let error as CheckpointError where error.problem == .outputStays {
          return otherOutput
        }
      }
    }

    /// - Parameter collects: Whether it collects statistics.
    private func part(
      _ plan: Plan, _ shards: [Int], isStale: Bool, collects: Bool
    ) -> SimulatedServer.Process {
      process(plan, isStale: isStale) { parts, shared in
        switch try parts.outputState() {
        case .finished: return "there"
        case .other: return otherOutput
        case .absent: break
        }
        try parts.begin(0, of: 1)
        for number in shards where try !parts.isComplete(number, having: collects ? .statistics : []) {
          let (path, name) = parts.data(number)
          try shared.write(Array("half".utf8), to: path)
          try shared.overwrite(plan.data(number), path)
          _ = try parts.complete(
            ShardRecord(
              digest: parts.digest, number: number, name: plan.fileName(number), data: name,
              byteCount: plan.data(number).count, headerChecksum: SHA256Checksum(of: plan.header(number)),
              findings: ShardFindings(hasStatistics: collects)))
        }
        return "done"
      }
    }

    /// - Parameter reports: Whether it needs statistics.
    private func finisher(_ plan: Plan, isStale: Bool, reports: Bool) -> SimulatedServer.Process {
      process(plan, isStale: isStale) { parts, shared in
        let files = (0..<shardCount).map {
          PartsFinisher.WeightFile(
            name: plan.fileName($0), headerBytes: plan.header($0), byteCount: plan.data($0).count)
        }
        var waits = 0
        func wait(_: Int) -> Bool {
          waits += 1
          return waits < 40
        }
        let outcome = try PartsFinisher(parts, files: files).finish(needing: reports ? .statistics : [], wait: wait) {
          folder, _ in
          let others = ["config.json", ResultMarks.record, "model.safetensors.index.json"]
          for name in others { try shared.write(plan.result[name] ?? [], to: Paths.join(folder, name)) }
          return others
        } made: { records in
          // The report is about the whole result.
          let isWhole =
            records.count == shardCount && records.values.allSatisfy { $0.findings.hasStatistics || !reports }
          if !isWhole { throw Broken(what: "a report of \(records.count) files") }
        }
        return "\(outcome)"
      }
    }

    /// Removes the parts, as a person does who does not know what still runs.
    private func cleaner(_ plan: Plan) -> SimulatedServer.Process {
      process(plan, isStale: false) { parts, shared in
        shared.removePlan(parts.folderPath)
        return "cleaned"
      }
    }

    private func check(_ plans: [Plan]) throws {
      guard let output = server.output, !output.isEmpty else {
        if first != nil { throw Broken(what: "the output is gone") }
        return
      }
      if let first, first != output {
        let names = Set(first.keys).union(output.keys).filter { first[$0] != output[$0] }
        throw Broken(what: "the output changed: \(names.sorted())")
      }
      first = output
      guard plans.contains(where: { $0.result == output }) else {
        throw Broken(what: "the output is none of a plan: \(output.mapValues { String(decoding: $0, as: UTF8.self) })")
      }
    }

    /// Where one plan is merged, nothing else has the output's name, however old what a client sees is.
    private func checkOutcome(_ outcome: String, _ plans: [Plan]) throws {
      if outcome.hasPrefix("Broken") { throw Broken(what: outcome) }
      if plans.count == 1, outcome == otherOutput { throw Broken(what: "the result was taken for something else") }
    }

    /// - Returns: Whether the output was there before everything was run once more.
    func run() throws -> Bool {
      let plans = number(0..<10) < 6 ? [Plan("P")] : [Plan("P"), Plan("Q")]
      var starts: [() -> SimulatedServer.Process] = []
      for plan in plans {
        for shard in 0..<shardCount {
          for _ in 0..<[1, 1, 2][number(0..<3)] {
            let shards = number(0..<10) < 8 ? [shard] : Array(0..<shardCount)
            let isStale = number(0..<10) < 7
            let collects = number(0..<3) == 0
            starts.append { self.part(plan, shards, isStale: isStale, collects: collects) }
          }
        }
        for _ in 0..<number(1..<4) {
          let isStale = number(0..<10) < 7
          let reports = number(0..<4) == 0
          starts.append { self.finisher(plan, isStale: isStale, reports: reports) }
        }
        if number(0..<8) == 0 { starts.append { self.cleaner(plan) } }
      }
      starts.shuffle(using: &server.random)
      var live: [SimulatedServer.Process] = []
      // Whatever happens, no thread may wait forever.
      defer { for process in live { process.kill() } }
      while !starts.isEmpty || !live.isEmpty {
        if let start = starts.last, live.isEmpty || number(0..<100) < 5 {
          starts.removeLast()
          live.append(start())
        }
        let index = number(0..<live.count)
        if number(0..<500) == 0 { live[index].kill() } else { live[index].step() }
        if live[index].hasEnded { try checkOutcome(live.remove(at: index).outcome, plans) }
        try check(plans)
      }
      let wasThere = server.output?.isEmpty == false
      var outcomes: [String] = []
      for plan in plans {
        // Where one process finishes at a time, a person removes what a killed one left.
        for path in server.files[server.folders["/r/.OUT.safemerge-parts"] ?? -1]?.keys.map({ $0 }) ?? []
        where path.hasPrefix("finish.") {
          try end(
            process(plan, isStale: false) { parts, shared in
              shared.remove(Paths.join("/r/.OUT.safemerge-parts", path))
              return ""
            }, plans)
        }
        for shard in 0..<shardCount { try end(part(plan, [shard], isStale: false, collects: true), plans) }
        outcomes.append(try end(finisher(plan, isStale: false, reports: true), plans))
      }
      guard outcomes.contains(where: { ["finished", "wasFinished"].contains($0) }) else {
        throw Broken(what: "no result: \(outcomes)")
      }
      return wasThere
    }

    /// Runs one process to its end.
    @discardableResult
    private func end(_ process: SimulatedServer.Process, _ plans: [Plan]) throws -> String {
      while !process.hasEnded {
        process.step()
        try check(plans)
      }
      try checkOutcome(process.outcome, plans)
      return process.outcome
    }
  }

  /// - Parameter limit: Histories that go wrong before the others are left out.
  private func explore(
    _ runs: Int, _ design: Design, limit: Int = .max
  ) -> (broken: [String], finished: Int) {
    var (broken, finished): ([String], Int) = ([], 0)
    for seed in 0..<UInt64(runs) where broken.count < limit {
      do { finished += try History(seed: seed, design).run() ? 1 : 0 } catch let error as Broken {
        broken.append("seed \(seed): \(error.what)")
      } catch { broken.append("seed \(seed): \(error)") }
    }
    return (broken, finished)
  }

  @Test func noHistoryBreaksIt() {
    let found = explore(Self.runs, Design())
    #expect(found.broken.prefix(3) == [])
    // Otherwise nothing was explored.
    #expect(found.finished > Self.runs / 4, "\(found.finished) of \(Self.runs)")
  }

  /// Without links one process finishes at a time.
  @Test func noHistoryBreaksItWithoutLinks() {
    let found = explore(Self.runs, Design(hasLinks: false))
    #expect(found.broken.prefix(3) == [])
    #expect(found.finished > Self.runs / 8, "\(found.finished) of \(Self.runs)")
  }

  /// Designs that are known to be wrong are found to be.
  @Test(arguments: [Design(sharesResult: true), Design(linksMove: true)]) func wrongDesignsBreak(design: Design) {
    #expect(!explore(max(Self.runs, 10_000), design, limit: 1).broken.isEmpty)
  }
}

private let shardCount = 3
/// The outcome of a process that found something else at the output's name.
private let otherOutput = "other"
