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
    abstract: "Merge PEFT LoRA adapters into safetensors checkpoints, check merges, and look inside the files.",
    discussion: """
      Examples:
        safemerge merge ./Llama-3.1-8B ./my-adapter -o ./merged
        safemerge merge -n ./Llama-3.1-8B ./my-adapter -o ./merged
        safemerge ls ./merged --include '*layers.0.*'
        safemerge check ./merged --against ./Llama-3.1-8B --adapter ./my-adapter
        safemerge diff ./Llama-3.1-8B ./merged --data

      Exit codes: 0 done, 1 differences (diff --exit-code), 2 wrong usage, 3 input refused or something found (check), \
      4 input/output error, 5 output exists, is in use, or is an input.
      """,
    version: version,
    subcommands: [
      MergeCommand.self, LsCommand.self, CheckCommand.self, DiffCommand.self, ReportCommand.self,
      CleanCommand.self, CompletionCommand.self,
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

  /// Parses and runs, with this program's exit codes instead of ArgumentParser's: wrong usage is 2, not 64.
  static func main() {
    StandardStreams.fillClosed()
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.isEmpty {
      Diagnostics.write(helpMessage())
      Self.leave(ExitStatus.usage)
    }
    if isForJSON(arguments) { EventStream.standard.begin() }
    if let problem = TextEncoding.problem { Self.leave(reportUsage(problem)) }
    if let message = unknownCommand(arguments) {
      Self.leave(reportUsage(message))
    }
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch let error as ExitCode {
      Self.leave(error.rawValue)
    } catch let error as InterruptedMerge {
      let kept = error.kept.summary.map { "\($0): the same command goes on with them" }
      Diagnostics.write("safemerge: interrupted; \(kept ?? "nothing is left of the merge")".escapingUnprintable)
      EventStream.standard.interrupted(by: Signals.received, kept: error.kept)
      Signals.endIfAsked()
      Self.leave(ExitStatus.inputOutput)
    } catch is Interrupted {
      Diagnostics.write("safemerge: interrupted; nothing was written")
      EventStream.standard.interrupted(by: Signals.received, kept: nil)
      Signals.endIfAsked()
      Self.leave(ExitStatus.inputOutput)
    } catch {
      let code = exitCode(for: error)
      if code == .validationFailure {
        Self.leave(Diagnostics.reportUsage(message(for: error), text: fullMessage(for: error)))
      }
      if code == .success {
        do {
          var output = StandardOutput()
          try output.write(fullMessage(for: error) + "\n")
          try output.finish()
        } catch { Self.leave(Diagnostics.report(error)) }
        Self.leave(0)
      }
      Self.leave(Diagnostics.report(error))
    }
  }

  private static func reportUsage(_ message: String) -> Int32 {
    Diagnostics.reportUsage(
      message,
      text: "Error: \(message)\nUsage: safemerge <subcommand>\n  See 'safemerge --help' for more information.")
  }

  /// Whether events are requested, so that wrong usage is reported as an event too.
  private static func isForJSON(_ arguments: [String]) -> Bool {
    arguments.first == "merge" && arguments.prefix { $0 != "--" }.contains("--json")
      && !arguments.contains { ["-h", "--help"].contains($0) }
  }

  /// The error for a first argument that is a word but not a command.
  private static func unknownCommand(_ arguments: [String]) -> String? {
    let commands = configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
    guard let word = arguments.first, word.utf8.first != UInt8(ascii: "-"), !commands.contains(word) else { return nil }
    let near = commands.map { (name: $0, distance: NearestNames.editDistance($0, word)) }
      .filter { $0.distance <= 2 }.min { $0.distance < $1.distance }
    return "Unknown command '\(word.escapingUnprintable)'." + (near.map { " Did you mean '\($0.name)'?" } ?? "")
  }

  private static func leave(_ status: Int32) -> Never {
    #if canImport(Darwin)
    Darwin.exit(status)
    #else
    Glibc.exit(status)
    #endif
  }
}
