import ArgumentParser
import Foundation

/// How many threads work.
enum Workers {
  /// `--jobs`, else `SAFEMERGE_THREADS`, else the number of processors.
  static func count(jobs: Int?) throws -> Int {
    if let jobs { return jobs }
    guard let value = ProcessInfo.processInfo.environment["SAFEMERGE_THREADS"], !value.isEmpty else {
      return ProcessInfo.processInfo.activeProcessorCount
    }
    guard let count = Int(value), count > 0 else {
      throw ValidationError("SAFEMERGE_THREADS is \"\(value)\"; a number of threads of at least 1 is expected.")
    }
    return count
  }
}
