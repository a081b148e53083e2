import ArgumentParser

struct ListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "Measure what reads headers only: listings and plans.",
    discussion: """
      Runs `safemerge ls --summary BASE`, `safemerge ls --tree BASE` and with an adapter `safemerge merge --dry-run BASE \
      ADAPTER`, in turn.

      Example:
        MergeBenchmark list /dev/shm/huge/base /dev/shm/huge/adapter
      """)

  @Argument(help: "The base checkpoint.", completion: .directory)
  var base: String

  @Argument(help: "An adapter to plan a merge of.", completion: .directory)
  var adapter: String?

  @OptionGroup var options: ProgramOptions

  func run() throws {
    Interruption.install()
    let program = try options.programPath()
    let output = Output(isJSON: options.json)
    var commands = ["--summary", "--tree"].map { (name: "ls \($0)", command: [program, "ls", $0, base]) }
    if let adapter { commands.append(("merge --dry-run", [program, "merge", "--dry-run", base, adapter])) }
    var runs: [[ChildProcess]] = commands.map { _ in [] }
    for number in 0..<options.warmup + options.runs {
      for (index, command) in commands.enumerated() {
        let run = try ChildProcess.run(command.command)
        if number >= options.warmup { runs[index].append(run) }
      }
    }
    output.text("  \(Processor.name), \(Processor.count) processors")
    for (command, runs) in zip(commands, runs) {
      let seconds = Distribution(runs.map { Figures.seconds(of: $0.duration) })
      let peak = runs.map(\.peakByteCount).max() ?? 0
      let floor = ChildProcess.ownPeakByteCount
      output.text(
        "\(command.name): median \(Figures.fixed(seconds.median, 3)) s, \(Figures.fixed(seconds.smallest, 3)) to "
          + "\(Figures.fixed(seconds.largest, 3)); peak \(peak <= floor ? "at most " : "")\(Figures.mebibytes(peak))")
      output.record("list") { writer in
        writer.member("command", command.name)
        writer.member("base", base)
        writer.member("seconds", seconds)
        writer.member("peak_rss_bytes", peak)
        writer.member("peak_rss_floor_bytes", floor)
      }
    }
  }
}
