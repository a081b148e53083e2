import ArgumentParser

/// A merge on several machines, as typed.
struct PartOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Write only part I of N, counted from 0, beside the output; auto/N takes I from the environment of a cluster. --finish makes \
      the result.
      """, valueName: "I/N"), transform: PartArgument.init(argument:))
  var part: PartArgument?

  @Flag(help: "Make the result of the parts that --part wrote.")
  var finish = false

  @Option(
    help: ArgumentHelp(
      "How many seconds --finish waits for parts that are not complete. Default: 60.", valueName: "seconds",
      visibility: .hidden))
  var wait: Int?

  @Flag(
    help: ArgumentHelp(
      "Accept in parts that every machine has a copy of the base, with times of its own.", visibility: .hidden))
  var baseCopies = false

  /// How many seconds a finisher waits where nothing else is asked for: as long as clients of NFS may show an old folder.
  static let defaultWait = 60

  /// Whether the merge is made in parts.
  var isUsed: Bool { part != nil || finish }

  func validate() throws {
    if part != nil, finish {
      throw ValidationError("--part and --finish exclude each other", hint: "run --finish when all parts are written")
    }
    if !finish {
      if wait != nil { throw ValidationError("--wait requires --finish") }
      if part == nil, baseCopies { throw ValidationError("--base-copies requires --part or --finish") }
    }
    if let wait, wait < 0 { throw ValidationError("invalid value \"\(wait)\" for --wait: expected at least 0") }
  }
}
