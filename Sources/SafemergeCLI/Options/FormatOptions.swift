import ArgumentParser

/// The formats of a command's output, which include JSON.
protocol OutputFormat: CaseIterable, RawRepresentable<String>, ExpressibleByArgument, Sendable {
  /// Without an option.
  static var standard: Self { get }
  static var json: Self { get }
}

/// `--format FORMAT`, and `--json` for `--format json`.
struct FormatOptions<Format: OutputFormat>: ParsableArguments {
  @Option(
    name: .customLong("format"),
    help: ArgumentHelp("Output format. Default: \(Format.standard.rawValue).", valueName: "format"))
  var given: Format?

  @Flag(help: "Same as --format json.")
  var json = false

  var format: Format { json ? .json : given ?? .standard }

  func validate() throws {
    if json, let given, given.rawValue != Format.json.rawValue {
      throw ValidationError("--json and --format \(given.rawValue) exclude each other")
    }
  }
}
