import ArgumentParser
import Safetensors

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Measure merges against copies of the base's weight files.",
    discussion: """
      Runs safemerge, cp and a plain copy by this process in turn, on warm caches; each is first in every third round. Arguments after -- go to safemerge.

      Examples:
        MergeBenchmark merge /dev/shm/bench/base /dev/shm/bench/adapter
        MergeBenchmark merge ./base ./adapter --fsync --output-folder ./out -- --jobs 1
      """)

  @Argument(help: "The base checkpoint.", completion: .directory)
  var base: String

  @Argument(help: "The adapter.", completion: .directory)
  var adapter: String

  @Argument(parsing: .postTerminator, help: "Further arguments of safemerge.")
  var arguments: [String] = []

  @OptionGroup var options: ProgramOptions

  @Flag(help: "Have copies end on the disk too, as a merge does.")
  var fsync = false

  @Option(
    help: "Where outputs are written, and removed again. Default: the folder that holds the base.",
    completion: .directory)
  var outputFolder: String?

  func run() throws {
    Interruption.install()
    let files = try WeightFiles(base: base)
    let place = try OutputFolder(in: outputFolder ?? Folders.parent(of: base))
    let program = try options.programPath()
    let output = Output(isJSON: options.json)
    for number in 0..<options.warmup { _ = try round(number, files, place, program) }
    output.text("merge: \(files.byteCount) bytes in \(files.paths.count) files, \(options.runs) rounds")
    output.text("  \(Processor.name), \(Processor.count) processors")
    output.text("  merge s     cp s   copy s  merge/cp  merge/copy  peak of the merge")
    var rounds: [Round] = []
    for number in 0..<options.runs {
      let round = try round(number, files, place, program)
      rounds.append(round)
      output.text(Self.line(round))
    }
    Summary(rounds).tell(self, files, to: output)
  }

  /// One run of each, one after the other.
  struct Round {
    let merge: ChildProcess
    let system: ChildProcess
    let plain: Duration
  }

  /// - Parameter number: Which of the three is first: nobody always profits from what the one before leaves behind, such
  ///   as a disk that has just been written to.
  private func round(
    _ number: Int, _ files: WeightFiles, _ place: OutputFolder, _ program: String
  ) throws(BenchmarkError) -> Round {
    let (merge, system, plain): (ChildProcess, ChildProcess, Duration)
    switch number % 3 {
    case 0:
      merge = try self.merge(files, place, program)
      system = try copyBySystem(files, place)
      plain = try copyPlainly(files, place)
    case 1:
      system = try copyBySystem(files, place)
      plain = try copyPlainly(files, place)
      merge = try self.merge(files, place, program)
    default:
      plain = try copyPlainly(files, place)
      merge = try self.merge(files, place, program)
      system = try copyBySystem(files, place)
    }
    return Round(merge: merge, system: system, plain: plain)
  }

  private func merge(
    _ files: WeightFiles, _ place: OutputFolder, _ program: String
  ) throws(BenchmarkError) -> ChildProcess {
    let result = place.freshName() + (files.isFolder ? "" : ".safetensors")
    let command = [program, "merge", base, adapter, "--output", result, "--quiet"] + arguments
    let merge: ChildProcess
    do throws(BenchmarkError) { merge = try ChildProcess.run(command) } catch {
      try? Folders.remove(result)
      throw error
    }
    try Folders.remove(result)
    return merge
  }

  private func copyBySystem(_ files: WeightFiles, _ place: OutputFolder) throws(BenchmarkError) -> ChildProcess {
    try place.withFolder { folder throws(BenchmarkError) in
      try ChildProcess.run(files.copyCommand(to: folder)) { () throws(BenchmarkError) in
        if fsync { try WeightFiles.synchronize(folder) }
      }
    }
  }

  private func copyPlainly(_ files: WeightFiles, _ place: OutputFolder) throws(BenchmarkError) -> Duration {
    try place.withFolder { folder throws(BenchmarkError) in
      let start = ContinuousClock.now
      try files.copyPlainly(to: folder)
      if fsync { try WeightFiles.synchronize(folder) }
      return ContinuousClock.now - start
    }
  }

  private static func line(_ round: Round) -> String {
    let seconds = [round.merge.duration, round.system.duration, round.plain].map(Figures.seconds(of:))
    return seconds.map { Figures.padded(Figures.fixed($0, 3), 9) }.joined()
      + Figures.padded(Figures.fixed(seconds[0] / seconds[1], 2), 10)
      + Figures.padded(Figures.fixed(seconds[0] / seconds[2], 2), 12)
      + Figures.padded(Figures.mebibytes(round.merge.peakByteCount), 19)
  }

  /// What the rounds say together.
  struct Summary {
    let merge: Distribution
    let system: Distribution
    let plain: Distribution
    let overSystem: Distribution
    let overPlain: Distribution
    let processorSeconds: Distribution
    let peakByteCount: Int
    /// No peak below this can be seen.
    let peakFloorByteCount: Int

    init(_ rounds: [Round]) {
      merge = Distribution(rounds.map { Figures.seconds(of: $0.merge.duration) })
      system = Distribution(rounds.map { Figures.seconds(of: $0.system.duration) })
      plain = Distribution(rounds.map { Figures.seconds(of: $0.plain) })
      overSystem = .ratios(merge, system)
      overPlain = .ratios(merge, plain)
      processorSeconds = Distribution(rounds.map(\.merge.processorSeconds))
      peakByteCount = rounds.map(\.merge.peakByteCount).max() ?? 0
      peakFloorByteCount = ChildProcess.ownPeakByteCount
    }

    func tell(_ command: MergeCommand, _ files: WeightFiles, to output: Output) {
      func span(_ value: Distribution) -> String {
        "median \(Figures.fixed(value.median, 3)), \(Figures.fixed(value.smallest, 3)) to "
          + Figures.fixed(value.largest, 3)
      }
      output.text(
        "  merge       \(span(merge)) s (processor time: median \(Figures.fixed(processorSeconds.median, 3)) s)")
      output.text("  cp          \(span(system)) s")
      output.text("  copy        \(span(plain)) s")
      output.text("  merge/cp    \(span(overSystem))")
      output.text("  merge/copy  \(span(overPlain))")
      let atMost = peakByteCount <= peakFloorByteCount ? "at most " : ""
      output.text("  peak        \(atMost)\(Figures.mebibytes(peakByteCount)), the largest of all rounds")
      output.record("merge") { writer in
        writer.member("base", command.base)
        writer.member("adapter", command.adapter)
        writer.member("arguments", command.arguments)
        writer.member("fsync", command.fsync)
        writer.member("bytes", files.byteCount)
        writer.member("files", files.paths.count)
        writer.member("merge_seconds", merge)
        writer.member("merge_processor_seconds", processorSeconds)
        writer.member("cp_seconds", system)
        writer.member("copy_seconds", plain)
        writer.member("merge_over_cp", overSystem)
        writer.member("merge_over_copy", overPlain)
        writer.member("peak_rss_bytes", peakByteCount)
        writer.member("peak_rss_floor_bytes", peakFloorByteCount)
      }
    }
  }
}
