import Checksums
import Platform
import Safetensors

/// A file that decides what a check measures, as the key of its records has it.
package struct CheckedFile: Sendable {
  /// What the file is to the check, and its name: the same on all machines.
  private let name: String
  private let path: String
  /// What it was when its header was read; nil: it is no weight file.
  private let identity: SystemCalls.Identity?

  package init(_ name: String, _ path: String, _ identity: SystemCalls.Identity? = nil) {
    self.name = name
    self.path = path
    self.identity = identity
  }

  /// Name, size, time and a sample of the contents of each file; without those that are not there.
  ///
  /// - Throws: ``FileError`` for a weight file that cannot be read, or is another than its header was read of.
  package static func lines(_ files: [CheckedFile], workers: Int) throws -> [String] {
    try WorkQueue.map(files, workers: workers) { try $0.line() }.compactMap { $0 }
  }

  private func line() throws -> String? {
    let found = try FileError.attempt(path) { () throws(SystemCalls.Failure) in try SystemCalls.identity(path: path) }
    guard let found, found.isRegularFile else { return nil }
    let sample: SHA256Checksum?
    if let identity {
      sample = try DataSample.of(path, expecting: identity)
    } else {
      // If the check reads a file that this user may not read, it says so itself.
      sample = try? DataSample.of(path)
    }
    let time = "\(found.modified).\(found.modifiedNanoseconds)"
    return "\(name) \(found.byteCount) \(time) \(sample.map(\.description) ?? "-")"
  }
}

extension ModelInspection {
  /// The files that decide what a check of this model measures.
  ///
  /// - Parameter options: Those of the check, not those that this inspection was made with.
  package func checkedFiles(_ options: Options) throws -> [CheckedFile] {
    let root = model.folder ?? Paths.folder(path)
    let others = try ChecksumInspection(model: model, options: options).otherFiles()
    return files.map { CheckedFile("model/\($0.name)", $0.path, $0.header.identity) }
      + others.map { CheckedFile("model/\($0)", Paths.join(root, $0)) }
  }

  /// Whether the model is a folder of models.
  package var isPipeline: Bool { !model.parts.isEmpty }
}
