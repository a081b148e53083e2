import ArgumentParser
import JSONText

/// The number of threads of a command: as typed, else from the environment, else the number of processors.
enum WorkerCount {
  static func of(_ jobs: Int?) throws -> Int {
    if let jobs { return jobs }
    guard let value = ProcessEnvironment.variables["SAFEMERGE_THREADS"], !value.isEmpty else {
      return ProcessEnvironment.processorCount
    }
    guard let count = Int(value), count > 0 else {
      throw ValidationError(
        "invalid SAFEMERGE_THREADS \"\(value.escapingUnprintable)\": expected a number of threads, at least 1")
    }
    return count
  }
}
