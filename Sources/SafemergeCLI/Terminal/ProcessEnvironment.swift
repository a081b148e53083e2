// All of Foundation would bring ICU, which is larger than the rest of a static program.
#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What the system tells a process about where it runs: the only place of this module that asks.
enum ProcessEnvironment {
  static var variables: [String: String] { ProcessInfo.processInfo.environment }

  static var processorCount: Int { ProcessInfo.processInfo.activeProcessorCount }

  static var temporaryFolder: String { FileManager.default.temporaryDirectory.path }

  /// `HOME`, else what the system has for the user; a static program cannot ask it, because that takes libraries.
  static var homeFolder: String {
    if let home = variables["HOME"] { return home }
    #if STATIC_EXECUTABLE
    return "/"
    #else
    return FileManager.default.homeDirectoryForCurrentUser.path
    #endif
  }
}
