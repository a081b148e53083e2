import Foundation
import Safetensors

/// The tensors of a safetensors file, or of all of those in a folder, in the order of the files' names and their data.
package func readTensors(_ path: String) throws -> [TestTensor] {
  var isFolder: ObjCBool = false
  _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
  guard isFolder.boolValue else { return try readFile(path) }
  let names = try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".safetensors") }
  return try names.sorted().flatMap { try readFile(path + "/" + $0) }
}

/// The bytes of each tensor by its name; of a file or of a folder's files.
package func tensorBytes(_ path: String) throws -> [String: [UInt8]] {
  Dictionary(try readTensors(path).map { ($0.name, $0.bytes) }) { one, _ in one }
}

private func readFile(_ path: String) throws -> [TestTensor] {
  let header = try SafetensorsHeader(path: path)
  let bytes = try contents(path)
  return header.tensors.map { info in
    let start = header.dataStart + info.dataOffsets.lowerBound
    return TestTensor(info.name.string, info.dtype, info.shape, bytes: Array(bytes[start..<start + info.byteCount]))
  }
}

/// Every file beneath a folder, by its relative path; nothing for folders and for links that lead nowhere.
package func tree(_ folder: String) throws -> [String: [UInt8]] {
  var files: [String: [UInt8]] = [:]
  for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
    var isFolder: ObjCBool = false
    let path = folder + "/" + name
    _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
    files[name] = isFolder.boolValue ? [] : (try? contents(path)) ?? []
  }
  return files
}
