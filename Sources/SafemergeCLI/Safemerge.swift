import ArgumentParser
import Checkpoints
import JSONText
import MergeEngine

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
      MergeCommand.self, LsCommand.self, CheckCommand.self, DiffCommand.self, CompletionCommand.self,
    ])

  /// What the bytes of a result may depend on.
  static let number = "0.1.0"

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

  /// Parses and runs, with the exit codes of this program in place of ArgumentParser's: its 64 for wrong usage is 2 here.
  static func main() {
    Descriptors.fillClosed()
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.isEmpty {
      Diagnostics.write(helpMessage())
      Self.leave(ExitStatus.usage)
    }
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch let error as ExitCode {
      Self.leave(error.rawValue)
    } catch let error as InterruptedMerge {
      let kept = error.kept.summary.map { "\($0): the same command goes on with them" }
      Diagnostics.write("safemerge: interrupted; \(kept ?? "nothing is left of the merge")".escapingUnprintable)
      Signals.endIfAsked()
      Self.leave(ExitStatus.inputOutput)
    } catch is Interrupted {
      Diagnostics.write("safemerge: interrupted; nothing was written")
      Signals.endIfAsked()
      Self.leave(ExitStatus.inputOutput)
    } catch {
      let code = exitCode(for: error)
      if code == .validationFailure {
        Diagnostics.write(fullMessage(for: error))
        Self.leave(ExitStatus.usage)
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

  private static func leave(_ status: Int32) -> Never {
    #if canImport(Darwin)
    Darwin.exit(status)
    #else
    Glibc.exit(status)
    #endif
  }
}
