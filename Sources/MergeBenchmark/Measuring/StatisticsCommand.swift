import ArgumentParser

struct StatisticsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats",
    abstract: "Measure `safemerge ls --stats` against `cat` of the same weight files.",
    discussion: """
      Both read all of the data, on warm caches; each is first in every second round. Arguments after -- go to \
      safemerge.

      Example:
        MergeBenchmark stats /dev/shm/bench/base --runs 6 -- --jobs 2
      """)

  @Argument(help: "A checkpoint.", completion: .directory)
  var base: String

  @Argument(parsing: .postTerminator, help: "Further arguments of safemerge.")
  var arguments: [String] = []

  @OptionGroup var options: ProgramOptions

  func run() throws {
    Interruption.install()
    let files = try WeightFiles(base: base)
    let commands = [[try options.programPath(), "ls", "--stats", base] + arguments, ["cat"] + files.paths]
    var runs: [[ChildProcess]] = [[], []]
    for number in 0..<options.warmup + options.runs {
      for index in number % 2 == 0 ? [0, 1] : [1, 0] {
        let run = try ChildProcess.run(commands[index])
        if number >= options.warmup { runs[index].append(run) }
      }
    }
    let (statistics, cat) = (Self.seconds(runs[0]), Self.seconds(runs[1]))
    let speed = Distribution.ratios(cat, statistics)
    let output = Output(isJSON: options.json)
    output.text("stats: \(files.byteCount) bytes in \(files.paths.count) files, \(options.runs) rounds")
    output.text("  \(Processor.name), \(Processor.count) processors")
    for (name, value) in [("ls --stats, s", statistics), ("cat, s", cat), ("speed of ls --stats / cat", speed)] {
      output.text(
        "  \(name): median \(Figures.fixed(value.median, 3)), \(Figures.fixed(value.smallest, 3)) to "
          + Figures.fixed(value.largest, 3))
    }
    output.record("stats") { writer in
      writer.member("base", base)
      writer.member("arguments", arguments)
      writer.member("bytes", files.byteCount)
      writer.member("stats_seconds", statistics)
      writer.member("cat_seconds", cat)
      writer.member("stats_over_cat_speed", speed)
    }
  }

  private static func seconds(_ runs: [ChildProcess]) -> Distribution {
    Distribution(runs.map { Figures.seconds(of: $0.duration) })
  }
}
