import ArgumentParser

/// How much a merge says.
struct ProgressOptions: ParsableArguments {
  @Flag(name: [.short, .long], help: "Print only warnings and errors.")
  var quiet = false

  @Flag(name: [.short, .long], help: "Print every module and file; -vv prints every tensor and the timings as well.")
  var verbose: Int

  @Option(help: ArgumentHelp("Show progress.", valueName: "when"))
  var progress: ProgressLine.Mode = .auto

  func validate() throws {
    if quiet, verbose > 0 { throw ValidationError("--quiet and --verbose exclude each other") }
  }
}
