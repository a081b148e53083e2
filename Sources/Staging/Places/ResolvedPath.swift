import Platform

/// A path without links and dots for something that may not be there yet, nor the folders around it.
struct ResolvedPath {
  /// For comparison with paths that are without links and dots as well.
  let path: String

  /// Nil: the path cannot be resolved, because `..` follows a name that is not there.
  ///
  /// - Parameter path: Its last component is not followed where it is a link.
  init?(_ path: String) {
    if Self.endsInDots(path) {
      guard let real = SystemCalls.realPath(path) else { return nil }
      self.path = real
      return
    }
    var names = [Paths.lastComponent(path)]
    var folder = Paths.folder(path)
    while true {
      if let real = SystemCalls.realPath(folder) {
        self.path = names.reversed().reduce(real, Paths.join)
        return
      }
      guard !Self.endsInDots(folder), folder != Paths.folder(folder) else { return nil }
      names.append(Paths.lastComponent(folder))
      folder = Paths.folder(folder)
    }
  }

  /// Whether the last component is a folder by another name than its own.
  static func endsInDots(_ path: String) -> Bool { [".", ".."].contains(Paths.lastComponent(path)) }

  /// The folder of unfinished work that the path lies in: what is in it is removed with the work, or keeps it from being
  /// removed. Nil: none.
  var workFolder: String? { UnfinishedWork.folder(in: Paths.folder(path)) }

  /// What is in the way of a folder: something else that has its name, or the name of one around it. Nil: nothing is.
  static func obstacle(_ folder: String) -> String? {
    var path = folder
    while true {
      if (try? SystemCalls.identity(path: path, followingLinks: false)) != nil {
        return (try? SystemCalls.identity(path: path))?.isDirectory == true ? nil : path
      }
      guard path != Paths.folder(path) else { return nil }
      path = Paths.folder(path)
    }
  }
}
