import Safetensors

/// A new folder for what benchmarks write, removed with all that is in it.
final class OutputFolder {
  let path: String
  private var count = 0

  /// - Parameter parent: The folder to make it in: what is measured depends on its file system.
  init(in parent: String) throws(BenchmarkError) {
    path = "\(parent)/.merge-benchmark.\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    try Folders.make(path)
  }

  /// A name in the folder that nothing has.
  func freshName() -> String {
    count += 1
    return "\(path)/\(count)"
  }

  /// Calls `body` with a new, empty folder and removes it.
  func withFolder<Value>(_ body: (String) throws(BenchmarkError) -> Value) throws(BenchmarkError) -> Value {
    let folder = freshName()
    try Folders.make(folder)
    let value: Value
    do throws(BenchmarkError) { value = try body(folder) } catch {
      try? Folders.remove(folder)
      throw error
    }
    try Folders.remove(folder)
    return value
  }

  deinit { try? Folders.remove(path) }
}
