import Safetensors

/// Where a merge's result will be, checked before anything is written.
public struct OutputPlace: Sendable {
  public let path: String
  public let isFolder: Bool
  /// Whether something stands there that may be replaced.
  package let replaces: Bool

  /// Checks that a result may be written to `path`.
  ///
  /// - Parameters:
  ///   - path: A name that is free, or an empty folder; with `force` also a safetensors file or a folder that holds
  ///     nothing but a model.
  ///   - isFolder: Whether the result is a folder.
  ///   - inputs: The paths of the base and the adapters and of all their files: the result must be none of them, lie in
  ///     none of their folders, and contain none.
  public init(path: String, isFolder: Bool, inputs: [String], force: Bool) throws(CheckpointError) {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    self.path = path
    self.isFolder = isFolder
    if isFolder, path.hasSuffix(".safetensors") { throw CheckpointError(path: path, .outputLooksLikeFile) }
    if !isFolder, !path.hasSuffix(".safetensors") { throw CheckpointError(path: path, .outputNotASafetensorsName) }
    guard let parent = SystemCalls.realPath(Paths.folder(path)) else {
      throw CheckpointError(path: path, .noParentFolder)
    }
    try Self.checkDisjoint(path, realPath: Paths.join(parent, Paths.lastComponent(path)), inputs: inputs)
    let existing = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.identity(path: path, followingLinks: false)
    }
    guard let existing else {
      replaces = false
      return
    }
    replaces = true
    if isFolder, existing.isDirectory {
      let entries = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
        try SystemCalls.entries(ofFolder: path)
      }
      if entries.isEmpty { return }
      guard force else { throw CheckpointError(path: path, .outputExists) }
      if let foreign = entries.first(where: { !SideFileRules.isPartOfAModel($0) }) {
        throw CheckpointError(path: path, .outputNotReplaceable(entry: foreign))
      }
    } else if !isFolder, existing.isRegularFile, force {
      return
    } else {
      throw CheckpointError(path: path, .outputExists)
    }
  }

  private static func checkDisjoint(_ path: String, realPath: String, inputs: [String]) throws(CheckpointError) {
    let output = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.identity(path: path)
    }
    for input in inputs {
      let identity = try CheckpointError.attempt(input) { () throws(SystemCalls.Failure) in
        try SystemCalls.identity(path: input)
      }
      guard let identity, let realInput = SystemCalls.realPath(input) else { continue }
      if let output, output.device == identity.device, output.inode == identity.inode {
        throw CheckpointError(path: path, .outputIsInput(input))
      }
      if realPath == realInput { throw CheckpointError(path: path, .outputIsInput(input)) }
      if identity.isDirectory, Paths.isBeneath(realPath, realInput) {
        throw CheckpointError(path: path, .outputInsideInput(input))
      }
      if Paths.isBeneath(realInput, realPath) { throw CheckpointError(path: path, .inputInsideOutput(input)) }
    }
  }
}
