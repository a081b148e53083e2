import Foundation
import Safetensors
import Synchronization
import TestSupport

/// The tensors of a file, or of all files of a folder, with the places where they are.
struct StoredModel: Sendable {
  /// By folder and name; those of a single file are in the folder "".
  private(set) var tensors: [String: [String: TestTensor]] = [:]
  /// The file of each tensor, by folder and name.
  private(set) var files: [String: [String: String]] = [:]
  /// Of a single file.
  private(set) var metadata: [String: String] = [:]

  init(_ path: String) throws {
    if path.hasSuffix(".safetensors") {
      metadata = try add(path, folder: "", file: "")
    } else {
      for name in try FileManager.default.subpathsOfDirectory(atPath: path) where name.hasSuffix(".safetensors") {
        let folder = Self.folder(of: name)
        _ = try add(path + "/" + name, folder: folder, file: String(name.dropFirst(folder.count + 1)))
      }
    }
  }

  private mutating func add(_ path: String, folder: String, file: String) throws -> [String: String] {
    let loaded = try LoadedFile(path)
    for info in loaded.header.tensors {
      let name = info.name.string
      tensors[folder, default: [:]][name] = TestTensor(name, info.dtype, info.shape, bytes: Array(loaded.data(info)))
      files[folder, default: [:]][name] = file
    }
    return Dictionary(uniqueKeysWithValues: (loaded.header.metadata ?? []).map { ($0.key, $0.value) })
  }

  /// The folder of a file's relative path.
  static func folder(of name: String) -> String { name.split(separator: "/").dropLast().joined(separator: "/") }

  private static let known = Mutex<[String: StoredModel]>([:])

  /// A model of the fixtures, which many tests read.
  static func fixture(_ path: String) throws -> StoredModel {
    if let found = known.withLock({ $0[path] }) { return found }
    let model = try StoredModel(path)
    known.withLock { $0[path] = model }
    return model
  }
}
