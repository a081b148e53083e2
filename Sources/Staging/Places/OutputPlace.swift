import Checkpoints
import Platform
import Safetensors

/// The path of a merge's result, checked before anything is written.
public struct OutputPlace: Sendable {
  public let path: String
  public let isFolder: Bool
  /// Whether something exists there that may be replaced.
  package let replaces: Bool
  /// Whether it is a folder that is not empty; an empty one may be replaced without `force`.
  let holdsModel: Bool
  /// Whether it is a mount point, which cannot be replaced: the files are moved into it.
  package let isMountPoint: Bool
  /// Files that, beside a model's, may be replaced.
  private let replacedNames: Set<String>

  /// Checks that a result may be written to `path`.
  ///
  /// - Parameters:
  ///   - path: A name that is free, or an empty folder; with `force` also a safetensors file or a folder that holds
  ///     nothing but a model.
  ///   - isFolder: Whether the result is a folder.
  ///   - inputs: The paths of the base and the adapters and of all their files: the result must be none of them, lie in
  ///     none of their folders, and contain none.
  ///   - force: Whether an existing model may be replaced.
  ///   - replacedNames: Files of the top folder that may be replaced beside those of a model, such as an adapter's config.
  public init(
    path: String, isFolder: Bool, inputs: [String], force: Bool, replacedNames: Set<String> = []
  ) throws(CheckpointError) {
    let path = Paths.withoutTrailingSlashes(path)
    self.path = path
    self.replacedNames = replacedNames
    self.isFolder = isFolder
    if isFolder, path.hasSuffix(".safetensors") { throw CheckpointError(path: path, .outputLooksLikeFile) }
    if !isFolder, !path.hasSuffix(".safetensors") { throw CheckpointError(path: path, .outputNotASafetensorsName) }
    guard !path.isEmpty else { throw CheckpointError(path: path, .notFound) }
    // Before the folders around it are asked for: a hint to make them would be followed in vain.
    if let resolved = ResolvedPath(path) {
      try Self.checkDisjoint(path, realPath: resolved.path, inputs: inputs)
      if let work = resolved.workFolder { throw CheckpointError(path: path, .outputInsideWork(work)) }
    }
    // A folder cannot be renamed to `.` or `..`.
    if ResolvedPath.endsInDots(path) { throw CheckpointError(path: path, .outputWithoutName) }
    let parentIdentity = try Self.parent(of: path)
    guard let existing = try Self.identity(path, followingLinks: false) else {
      replaces = false
      holdsModel = false
      isMountPoint = false
      return
    }
    replaces = true
    let isOldFolder = isFolder && existing.isDirectory
    isMountPoint = isOldFolder && existing.device != parentIdentity.device
    if isOldFolder, isMountPoint {
      holdsModel = false
      try Self.checkEmptyMount(path)
    } else if isOldFolder {
      holdsModel = try !Self.entries(path).isEmpty
      guard holdsModel else { return }
      // Without --force too: the error must not suggest it for a folder that it would not replace.
      try checkHoldsOnlyAModel()
      guard force else { throw CheckpointError(path: path, .outputExists) }
    } else if !isFolder, existing.isRegularFile {
      holdsModel = false
      guard force else { throw CheckpointError(path: path, .outputExists) }
    } else {
      let found = existing.isDirectory ? "a folder" : existing.isRegularFile ? "a file" : "a link or a special file"
      throw CheckpointError(path: path, .outputInTheWay(found: found, wanted: isFolder ? "a folder" : "a file"))
    }
  }

  /// Whether a mounted folder holds only entries of the file system itself and leftovers of an earlier run.
  private static func checkEmptyMount(_ path: String) throws(CheckpointError) {
    let entries = try entries(path)
    let expected = Set(["lost+found", ResultMarks.incomplete, StagingFolder.mountedName] + movedNames(path))
    for entry in entries where !expected.contains(entry) {
      throw CheckpointError(path: path, .mountNotEmpty(entry: entry))
    }
  }

  /// The files that a run had to move into a mounted folder when it was killed.
  static func movedNames(_ path: String) -> [String] {
    guard let bytes = try? BoundedFile.read(Paths.join(path, ResultMarks.incomplete), limit: 64 << 20) else {
      return []
    }
    return bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether the folder could be removed without losing anything but a model.
  ///
  /// - Parameter folder: Where it is now; nil if it has not been moved.
  func checkHoldsOnlyAModel(at folder: String? = nil) throws(CheckpointError) {
    let root = folder ?? path
    let entries = try Self.entries(root)
    let pipeline = entries.contains(PipelineIndex.fileName) ? try? PipelineIndex(root) : nil
    if let first = entries.first, pipeline == nil, !entries.contains(where: { $0.hasSuffix(".safetensors") }) {
      throw CheckpointError(path: path, .outputNotReplaceable(entry: first))
    }
    let written = Self.recordedNames(root)
    for entry in entries { try checkIsPartOfAModel(entry, in: root, written: written, pipeline) }
  }

  /// The files that a record lists or, without a record, the files that look like a model's by their names.
  private func checkIsPartOfAModel(
    _ path: String, in root: String, written: Set<String>, _ pipeline: PipelineIndex?
  ) throws(CheckpointError) {
    let absolute = Paths.join(root, path)
    let components = Paths.components(path)
    let isFolder = try Self.identity(absolute, followingLinks: false)?.isDirectory == true
    if isFolder {
      let isKnown =
        written.contains(path + "/") || components.count == 1 && SideFileRules.isPartOfAModel(path, isFolder: true)
        || pipeline?.components.contains { $0.name == path } == true
      guard isKnown else { throw CheckpointError(path: self.path, .outputNotReplaceable(entry: path)) }
      for name in try Self.entries(absolute) {
        try checkIsPartOfAModel(Paths.join(path, name), in: root, written: written, pipeline)
      }
      return
    }
    let isKnown =
      written.contains(path) || replacedNames.contains(path)
      || components.count == 1 && SideFileRules.isPartOfAModel(path, isFolder: false)
      || components.count == 2 && SideFileRules.isPartOfAModel(components[0], isFolder: true)
        && SideFileRules.isPartOfASubfolder(components[1], of: components[0])
      || pipeline?.holds(path) == true
    guard isKnown else { throw CheckpointError(path: self.path, .outputNotReplaceable(entry: path)) }
  }

  /// The files that `.safemerge.json` lists, and their folders, which end with "/".
  private static func recordedNames(_ folder: String) -> Set<String> {
    guard let record = try? ResultRecord.read(in: folder) else { return [] }
    var names: Set<String> = []
    for file in record.files {
      names.insert(file.name)
      var folder = ""
      for component in Paths.components(file.name).dropLast() {
        folder = Paths.join(folder, component)
        names.insert(folder + "/")
      }
    }
    return names
  }

  private static func entries(_ folder: String) throws(CheckpointError) -> [String] {
    try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      // Names that are not UTF-8 are included: they are not part of a model.
      try SystemCalls.unreadableEntries(ofFolder: folder) + SystemCalls.entries(ofFolder: folder)
    }
  }

  static func identity(
    _ path: String, followingLinks: Bool = true
  ) throws(CheckpointError) -> SystemCalls.Identity? {
    try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.identity(path: path, followingLinks: followingLinks)
    }
  }

  /// Nil also for a path that this user may not access.
  private static func identityIfAllowed(_ path: String) throws(CheckpointError) -> SystemCalls.Identity? {
    do throws(CheckpointError) { return try identity(path) } catch {
      if case .system(_, let code) = error.problem, SystemCalls.notAllowed.contains(code) { return nil }
      throw error
    }
  }

  /// The folder in which something is to be made.
  private static func parent(of path: String) throws(CheckpointError) -> SystemCalls.Identity {
    let folder = Paths.folder(path)
    if let identity = try identity(folder), identity.isDirectory { return identity }
    if let obstacle = ResolvedPath.obstacle(folder) { throw CheckpointError(path: path, .parentNotAFolder(obstacle)) }
    throw CheckpointError(path: path, .noParentFolder)
  }

  static func checkDisjoint(_ path: String, realPath: String, inputs: [String]) throws(CheckpointError) {
    let output = try Self.identity(path)
    for input in inputs {
      // A path that may not be accessed, such as another user's cache, counts as missing.
      guard let identity = try Self.identityIfAllowed(input), let realInput = SystemCalls.realPath(input) else {
        continue
      }
      if let output, output.device == identity.device, output.inode == identity.inode {
        throw CheckpointError(path: path, .outputIsInput(input))
      }
      if Paths.areEqual(realPath, realInput) { throw CheckpointError(path: path, .outputIsInput(input)) }
      if identity.isDirectory, Paths.isBeneath(realPath, realInput) {
        throw CheckpointError(path: path, .outputInsideInput(input))
      }
      if Paths.isBeneath(realInput, realPath) { throw CheckpointError(path: path, .inputInsideOutput(input)) }
    }
  }
}
