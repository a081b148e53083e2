import ArgumentParser

/// `--jobs`, which every command that reads weights has.
struct JobOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp("Number of threads. Default: SAFEMERGE_THREADS, or all processors.", valueName: "number"))
  var jobs: Int?

  func validate() throws {
    if let jobs, jobs < 1 { throw ValidationError("invalid value \"\(jobs)\" for --jobs: expected at least 1") }
  }
}

/// The resources of a merge.
struct ResourceOptions: ParsableArguments {
  @OptionGroup var threads: JobOptions

  @Option(
    help: ArgumentHelp("Limit the memory of the merge, for example to 64M or 2G.", valueName: "size"),
    transform: SizeArgument.init(argument:))
  var memory: SizeArgument?
}
