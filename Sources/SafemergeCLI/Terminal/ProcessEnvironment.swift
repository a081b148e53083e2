// All of Foundation would link ICU, which is larger than the rest of a static program.
#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The process's environment: the only code of this module that queries it.
enum ProcessEnvironment {
  /// The LAPACK that the user wants, a path or a name; nil: the system's.
  static var lapack: String? { variables["SAFEMERGE_LAPACK"].flatMap { $0.isEmpty ? nil : $0 } }

  static var variables: [String: String] { ProcessInfo.processInfo.environment }

  static var processorCount: Int { ProcessInfo.processInfo.activeProcessorCount }

  static var temporaryFolder: String { FileManager.default.temporaryDirectory.path }

  /// `HOME`, else the user's home in the system's database, which a static program cannot query without shared
  /// libraries.
  static var homeFolder: String {
    if let home = variables["HOME"] { return home }
    #if STATIC_EXECUTABLE
    return "/"
    #else
    return FileManager.default.homeDirectoryForCurrentUser.path
    #endif
  }
}
