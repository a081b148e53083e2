import Platform

extension Paths {
  /// Checks that no folder between `folder` and the file `name` in it is a link, so that a name from an index or from
  /// config.json cannot leave the folder. The file itself may be a link, as in the Hugging Face cache.
  static func checkFolders(of name: String, in folder: String) throws(CheckpointError) {
    var path = folder
    for component in components(name).dropLast() {
      path = join(path, component)
      let identity = try CheckpointError.attempt(path) { [path] () throws(SystemCalls.Failure) in
        try SystemCalls.identity(path: path, followingLinks: false)
      }
      if let identity, !identity.isDirectory { throw CheckpointError(path: path, .notAPlainFolder) }
    }
  }
}
