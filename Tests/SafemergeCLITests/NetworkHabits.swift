import Foundation
import TestSupport

/// Runs of the program on a folder that behaves as one on a network file system, by a library in LD_PRELOAD.
enum NetworkHabits {
  private static let folder = try? Scratch()

  /// The library; nil where it cannot be built or loaded so.
  static let library: String? = {
    #if os(Linux)
    guard let folder else { return nil }
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("NetworkHabits/habits.c").path
    let library = folder.file("habits.so")
    let build = "-shared -fPIC -O1 -o '\(library)' '\(source)' -ldl 2>\"$TMPDIR/log\""
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    let result = try? Program.run([], shell: "cc \(build) || clang \(build)", environment: ["PATH": path])
    return result?.status == 0 ? library : nil
    #else
    return nil
    #endif
  }()

  static let isPossible = library != nil

  /// The start of a shell command that runs a program with `habits` on everything beneath `folder`.
  static func prefix(_ habits: String, _ folder: String) -> String {
    "env HABITS='\(habits)' HABITS_UNDER='\(folder)' LD_PRELOAD='\(library ?? "")' "
  }

  /// A shell script that runs the program with `habits` on everything beneath `folder`.
  static func shell(_ habits: String, _ folder: String) -> String {
    "exec " + prefix(habits, folder) + #""$0" "$@""#
  }
}
