import ArgumentParser

/// The number of threads of a command: as typed, else from the environment, else the number of processors.
enum WorkerCount {
  static func of(_ jobs: Int?) throws -> Int {
    if let jobs { return jobs }
    guard let value = ProcessEnvironment.variables["SAFEMERGE_THREADS"], !value.isEmpty else {
      return ProcessEnvironment.processorCount
    }
    guard let count = Int(value), count > 0 else {
      throw ValidationError("SAFEMERGE_THREADS is \"\(value)\"; a number of threads of at least 1 is expected.")
    }
    return count
  }
}
