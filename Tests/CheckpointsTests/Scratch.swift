import Checkpoints
import Foundation
import Safetensors

/// A folder for one test's files, removed with the object.
final class Scratch {
  let path: String

  init() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("safemerge-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    // What is compared with real paths must be one.
    path = SystemCalls.realPath(folder.path) ?? folder.path
  }

  func file(_ name: String) -> String { path + "/" + name }

  @discardableResult
  func folder(_ name: String) throws -> String {
    try FileManager.default.createDirectory(atPath: file(name), withIntermediateDirectories: true)
    return file(name)
  }

  @discardableResult
  func write(_ text: String, to name: String) throws -> String {
    try Data(text.utf8).write(to: URL(fileURLWithPath: file(name)))
    return file(name)
  }

  @discardableResult
  func link(_ name: String, to destination: String) throws -> String {
    try FileManager.default.createSymbolicLink(atPath: file(name), withDestinationPath: destination)
    return file(name)
  }

  /// A safetensors file with one byte for each name.
  @discardableResult
  func weights(_ names: String..., at name: String) throws -> String {
    let tensors = try names.map { (try HeaderEncoder.Tensor(name: TensorName($0), dtype: .u8, shape: [1]), [UInt8(1)]) }
    try SafetensorsWriter.write(path: file(name), tensors: tensors)
    return file(name)
  }

  /// Everything in the folder `name`, at any depth, links not followed.
  func entries(_ name: String = "") throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: name.isEmpty ? path : file(name)).sorted()
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

func fixturesPath() -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Fixtures").path
}

func contents(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

/// The permission bits of `path`.
func mode(_ path: String) throws -> Int {
  var status = stat()
  guard lstat(path, &status) == 0 else { throw POSIXError(.ENOENT) }
  return Int(status.st_mode) & 0o777
}

/// The error that opening the model at `path` throws; nil if it opens.
func refusal(_ path: String) -> (any ReportableError)? {
  do {
    _ = try Checkpoint(path: path)
    return nil
  } catch { return error as? any ReportableError }
}

func problem(_ path: String) -> CheckpointError.Problem? { (refusal(path) as? CheckpointError)?.problem }
