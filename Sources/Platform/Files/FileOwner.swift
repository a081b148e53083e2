/// The number by which a file system knows this user.
///
/// A server may treat root (`root_squash`) or every user (`all_squash`) as another one: files that this process creates
/// then belong to that user.
package enum FileOwner {
  /// The owner of a file that this process creates in `folder`: found out with one that is removed at once; nil if none can
  /// be created.
  package static func ofNewFiles(in folder: String) -> UInt32? {
    let path = Paths.join(folder, ".safemerge-owner." + String(UInt64.random(in: 0 ... .max), radix: 36))
    guard let descriptor = try? SystemCalls.createExclusively(path, mode: 0o600) else { return nil }
    let owner = try? SystemCalls.identity(descriptor).owner
    try? SystemCalls.close(descriptor)
    try? SystemCalls.removeFile(path)
    return owner
  }
}
