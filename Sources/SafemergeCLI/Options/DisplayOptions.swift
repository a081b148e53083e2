import ArgumentParser

/// Options of every command about its output on a terminal.
struct DisplayOptions: ParsableArguments {
  @Option(help: "When to use colors.")
  var color: ColorMode = .auto
}

/// `--help-all`, which every command has beside `--help`.
struct HelpOptions: ParsableArguments {
  @Flag(help: "Show help for all options, including rarely used ones.")
  var helpAll = false
}
