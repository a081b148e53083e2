import Foundation
import Safetensors
import TestSupport
import Testing

/// The program, as a user runs it.
enum Program {
  struct Result {
    let status: Int32
    /// Whether a signal ended it; `status` is the signal's number then.
    let isSignal: Bool
    let output: [UInt8]
    let errors: [UInt8]

    var text: String { String(decoding: output, as: UTF8.self) }
    var messages: String { String(decoding: errors, as: UTF8.self) }
    var lines: [String] { Self.lines(text) }
    var messageLines: [String] { Self.lines(messages) }

    private static func lines(_ text: String) -> [String] {
      text.isEmpty ? [] : text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init).dropLast()
    }
  }

  /// Where the build put it: beside the test bundle, which is an executable on Linux and a folder on macOS.
  static let path: String? = {
    var starts = CommandLine.arguments + Bundle.allBundles.map(\.bundlePath) + [Bundle.main.bundlePath]
    starts += [Bundle.main.executablePath ?? ""]
    for start in starts where start.hasPrefix("/") {
      var folder = URL(fileURLWithPath: start)
      for _ in 0..<6 where folder.path != "/" {
        let candidate = folder.appendingPathComponent("safemerge").path
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: candidate, isDirectory: &isFolder), !isFolder.boolValue,
          FileManager.default.isExecutableFile(atPath: candidate)
        {
          return candidate
        }
        folder.deleteLastPathComponent()
      }
    }
    return nil
  }()

  /// Runs `safemerge` with `arguments`.
  ///
  /// - Parameters:
  ///   - shell: A script that runs the program as `"$0" "$@"`; nil: it is run as it is.
  ///   - environment: Added to a nearly empty one.
  ///   - processorSeconds: The processor time after which it is killed; the clock on the wall says nothing on a busy machine.
  static func run(
    _ arguments: [String], shell: String? = nil, environment: [String: String] = [:], folder: String? = nil,
    processorSeconds: Int = 120
  ) throws -> Result {
    let program = try #require(path, "the program is not beside the tests")
    let scratch = try Scratch()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "ulimit -t \(processorSeconds); " + (shell ?? #"exec "$0" "$@""#), program] + arguments
    var variables = ["PATH": "/usr/bin:/bin", "TMPDIR": scratch.path]
    for name in ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH"] {
      variables[name] = ProcessInfo.processInfo.environment[name]
    }
    process.environment = variables.merging(environment) { $1 }
    process.currentDirectoryURL = URL(fileURLWithPath: folder ?? scratch.path)
    // Files, not pipes: nothing has to be read while the program runs.
    let names = ["output", "errors"].map(scratch.file)
    for name in names { try write([], to: name) }
    process.standardInput = FileHandle.nullDevice
    let handles = try names.map { try FileHandle(forWritingTo: URL(fileURLWithPath: $0)) }
    // Foundation keeps the handles open as long as it keeps the process, and reads beyond a buffer when it looks through
    // more than 1,360 open files.
    defer { for handle in handles { try? handle.close() } }
    process.standardOutput = handles[0]
    process.standardError = handles[1]
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    try process.run()
    // For what waits forever and uses no processor time.
    guard ended.wait(timeout: .now() + 900) == .success else {
      process.terminate()
      throw TookTooLong(arguments: arguments)
    }
    return Result(
      status: process.terminationStatus, isSignal: process.terminationReason == .uncaughtSignal,
      output: try contents(names[0]), errors: try contents(names[1]))
  }

  struct TookTooLong: Error { let arguments: [String] }
}

/// Expects the line of an error, and the line of its hint if it has one; returns what stands on standard error.
@discardableResult
func expectRefusal(
  _ result: Program.Result, status: Int32, _ comment: String = "", location: SourceLocation = #_sourceLocation
) -> String {
  #expect(!result.isSignal, "\(comment)", sourceLocation: location)
  #expect(result.status == status, "\(comment) \(result.messages)", sourceLocation: location)
  // Warnings may stand before the error.
  let lines = result.messageLines.filter { !$0.hasPrefix("warning: ") }
  #expect(lines.count == 1 || lines.count == 2, "\(comment) \(result.messages)", sourceLocation: location)
  #expect(
    lines.first?.wholeMatch(of: /error: .+ \[[a-z0-9-]+\]/) != nil, "\(comment) \(result.messages)",
    sourceLocation: location)
  #expect(
    lines.dropFirst().allSatisfy { $0.hasPrefix("  hint: ") }, "\(comment) \(result.messages)",
    sourceLocation: location)
  #expect(result.messages.hasSuffix("\n"), "\(comment)", sourceLocation: location)
  #expect(result.output == [], "\(comment)", sourceLocation: location)
  #expect(rawControls(result.messages) == [], "\(comment)", sourceLocation: location)
  return result.messages
}

/// Characters that must not reach a terminal, newlines apart.
func rawControls(_ text: String) -> [String] {
  text.unicodeScalars.filter { scalar in
    switch scalar.value {
    case 0x0A: false
    case 0..<0x20, 0x7F..<0xA0, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069: true
    default: false
    }
  }.map { String($0.value, radix: 16) }
}

/// The same without what says how the result was made.
func model(_ folder: String) throws -> [String: [UInt8]] { try tree(folder).filter { $0.key != ".safemerge.json" } }

/// The bytes of every tensor of a file.
func elements(_ path: String) throws -> [TensorName: [UInt8]] {
  let (header, bytes) = (try SafetensorsHeader(path: path), try contents(path))
  return Dictionary(
    uniqueKeysWithValues: header.tensors.map { tensor in
      let range = tensor.dataOffsets
      return (tensor.name, Array(bytes[header.dataStart + range.lowerBound..<header.dataStart + range.upperBound]))
    })
}

/// A copy of a folder or file of the fixtures in `scratch`.
func copyOfFixture(_ name: String, in scratch: Scratch, as copy: String) throws -> String {
  try FileManager.default.copyItem(atPath: fixturesPath() + "/" + name, toPath: scratch.file(copy))
  return scratch.file(copy)
}

func basePath(_ name: String) -> String { fixturesPath() + "/bases/" + name }
func adapterPath(_ name: String) -> String { FixtureCase.adapter(name) }
