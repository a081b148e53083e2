import ArgumentParser

/// A check on several machines, as typed.
struct CheckPartOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Read only part I of N of the weight files, counted from 0, and write what was measured to --results; auto/N takes I from \
      the environment of a cluster. --finish gives the verdict.
      """, valueName: "I/N"), transform: PartArgument.init(argument:))
  var part: PartArgument?

  @Flag(help: "Give the verdict on what all parts measured.")
  var finish = false

  @Option(
    help: ArgumentHelp("The folder in which parts write what they measured.", valueName: "folder"),
    completion: .directory)
  var results: String?

  @Option(
    help: ArgumentHelp(
      "How many seconds --finish waits for parts that are not complete. Default: 60.", valueName: "seconds",
      visibility: .hidden))
  var wait: Int?

  /// Whether the check is made in parts.
  var isUsed: Bool { part != nil || finish }

  func validate() throws {
    if part != nil, finish {
      throw ValidationError("--part and --finish exclude each other", hint: "run --finish when all parts are written")
    }
    if isUsed, results == nil {
      throw ValidationError(
        "\(finish ? "--finish" : "--part") requires --results <folder>",
        hint: "give all parts and --finish one folder that all machines see")
    }
    if results != nil, !isUsed { throw ValidationError("--results requires --part or --finish") }
    if let results, results.isEmpty { throw ValidationError("--results is empty") }
    if wait != nil, !finish { throw ValidationError("--wait requires --finish") }
    if let wait, wait < 0 { throw ValidationError("invalid value \"\(wait)\" for --wait: expected at least 0") }
  }
}
