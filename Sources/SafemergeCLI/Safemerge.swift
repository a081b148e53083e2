import ArgumentParser
import Checkpoints
import JSONText
import MergeEngine
import MergePlanning
import ModelNames
import Platform

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

@main
struct Safemerge: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "safemerge",
    abstract: "Merge LoRA adapters into safetensors models, check merges, and inspect the files.",
    discussion: """
      Examples:
        safemerge merge ./Llama-3.1-8B ./my-adapter -o ./merged
        safemerge merge -n ./Llama-3.1-8B ./my-adapter
        safemerge ls ./merged --include '*layers.0.*'
        safemerge check ./merged --against ./Llama-3.1-8B --adapter ./my-adapter
        safemerge diff ./Llama-3.1-8B ./merged

      Exit codes: 0 done, 1 differences (diff --exit-code), 2 wrong usage, 3 rejected input or findings (check), \
      4 input/output error, 5 output exists, is in use, or is an input.
      """,
    version: version,
    subcommands: [
      MergeCommand.self, CombineCommand.self, ExtractCommand.self, ResizeCommand.self, ConvertCommand.self,
      UnmergeCommand.self, LsCommand.self, CheckCommand.self, DiffCommand.self, ReportCommand.self,
      StatusCommand.self, CleanCommand.self, CompletionCommand.self,
    ])

  /// The version number, on which the bytes of a result may depend.
  static let number = "0.2.0"

  static let version = "safemerge \(number) (swift \(swiftVersion), jansson \(JSONLibrary.version), \(platform))"

  #if swift(>=6.4)
  private static let swiftVersion = "6.4 or later"
  #elseif swift(>=6.3)
  private static let swiftVersion = "6.3"
  #else
  private static let swiftVersion = "6.2"
  #endif

  #if arch(x86_64)
  private static let architecture = "x86_64"
  #elseif arch(arm64)
  private static let architecture = "aarch64"
  #else
  private static let architecture = "unknown"
  #endif

  #if os(macOS)
  private static let platform = "\(architecture)-macos"
  #else
  private static let platform = "\(architecture)-linux"
  #endif

  @OptionGroup var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  /// Parses and runs, with this program's exit codes instead of ArgumentParser's: wrong usage is 2, not 64.
  static func main() {
    StandardStreams.fillClosed()
    let arguments = Array(CommandLine.arguments.dropFirst())
    let words = CommandLineWords(arguments)
    Screen.color = words.color
    if arguments.isEmpty {
      Diagnostics.write(helpMessage())
      Self.leave(ExitStatus.usage)
    }
    if words.isJSON {
      if let command = words.command, EventStream.commands.contains(command) {
        EventStream.standard.begin(command: command)
      } else {
        EventStream.standard.beginErrors()
      }
    }
    if let error = TextEncoding.problem ?? unknownCommand(arguments) ?? words.emptyArgument {
      Self.leave(Diagnostics.report(error))
    }
    do {
      if words.asksForAllHelp { throw CleanExit.message(allHelp(words.command)) }
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch let error as ExitCode {
      Self.leave(error.rawValue)
    } catch let error as InterruptedMerge {
      let kept = error.kept.summary ?? "nothing is kept"
      Diagnostics.write("safemerge: interrupted; \(kept)".escapingUnprintable)
      EventStream.standard.interrupted(by: Signals.received, kept: error.kept)
      Signals.endIfAsked()
      Self.leave(ExitStatus.inputOutput)
    } catch is Interrupted {
      Diagnostics.write("safemerge: interrupted; nothing was written")
      EventStream.standard.interrupted(by: Signals.received, kept: nil)
      Signals.endIfAsked()
      Self.leave(ExitStatus.inputOutput)
    } catch let error as any ReportableError {
      Self.leave(Diagnostics.report(error))
    } catch {
      switch exitCode(for: error) {
      case .validationFailure: Self.leave(Diagnostics.report(UsageError(parsing: message(for: error), words.command)))
      case .success:
        do {
          var output = StandardOutput()
          try output.write(fullMessage(for: error) + "\n")
          try output.finish()
        } catch { Self.leave(Diagnostics.report(error)) }
        Self.leave(0)
      default: Self.leave(Diagnostics.report(error))
      }
    }
  }

  /// The help of a command, or of the program, with the options that `--help` leaves out.
  private static func allHelp(_ name: String?) -> String {
    let command = configuration.subcommands.first { $0.configuration.commandName == name }
    return helpMessage(for: command ?? Self.self, includeHidden: true)
  }

  /// The error for a first argument that is a word but not a command, or for help about such a word.
  private static func unknownCommand(_ arguments: [String]) -> UsageError? {
    let commands = configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
    let words = arguments.first == "help" ? arguments.dropFirst() : arguments[...]
    guard let word = words.first, !word.isEmpty, !word.hasPrefix("-"), !commands.contains(word) else { return nil }
    let isPath = word.contains("/") || (try? SystemCalls.identity(path: word)) != nil
    let hint =
      word == "version"
      ? "safemerge --version"
      : CommandOptions.nearest(word, among: commands).map { "did you mean \($0)?" }
        ?? (isPath ? "a command comes first, for example: safemerge merge BASE ADAPTER -o OUTPUT" : nil)
        ?? "commands: \(commands.joined(separator: ", "))"
    return UsageError("unknown command \"\(word)\"", hint: hint)
  }

  private static func leave(_ status: Int32) -> Never {
    #if canImport(Darwin)
    Darwin.exit(status)
    #else
    Glibc.exit(status)
    #endif
  }
}
