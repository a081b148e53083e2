import Checkpoints
import Checksums
import Platform
import Safetensors

extension ModelInspection {
  /// Compares large files of the Hugging Face cache with the SHA-256 in the name of their blob.
  ///
  /// Blobs of small files are named by git's checksum instead. Source: huggingface_hub 1.x, `file_download`: a blob is
  /// called by the ETag, which for large files is their SHA-256.
  mutating func verifyBlobs() throws {
    let root = folder ?? Paths.folder(path)
    var names = folder == nil ? [Paths.lastComponent(path)] : files.map(\.name)
    if let folder {
      let entries = (try? SystemCalls.entries(ofFolder: folder)) ?? []
      names += entries.filter { name in
        !names.contains(name)
          && (try? SystemCalls.identity(path: Paths.join(folder, name)))?.isRegularFile == true
      }
    }
    let blobs = names.compactMap { name -> (name: String, checksum: SHA256Checksum)? in
      Self.checksum(ofBlob: Paths.join(root, name)).map { (name, $0) }
    }
    guard !blobs.isEmpty else { return }
    let found = try checksums(blobs.map { Paths.join(root, $0.name) })
    for (blob, checksum) in zip(blobs, found) where checksum != blob.checksum {
      find(
        "checksum", blob.name,
        "its SHA-256 is \(checksum), and the name of its blob in the cache says \(blob.checksum): fetch it again")
    }
    notes.append(
      "\(path): \(blobs.count) \(blobs.count == 1 ? "file" : "files") of the hub's cache compared with the SHA-256 that "
        + "is the name of the blob")
  }

  /// The checksum in the name of a file in a folder of blobs.
  private static func checksum(ofBlob path: String) -> SHA256Checksum? {
    guard let real = SystemCalls.realPath(path), Paths.lastComponent(Paths.folder(real)) == "blobs" else { return nil }
    return SHA256Checksum(hexadecimal: Paths.lastComponent(real))
  }
}
