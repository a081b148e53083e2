import Safetensors
import Synchronization

/// A result in the making: a folder beside the target, or a temporary file, that gets the target's name when it is
/// complete. An object that goes away before that takes what it made with it.
public final class StagedOutput: Sendable {
  public let place: OutputPlace
  /// Where the result's files are written; for a single file the folder of the target.
  private let stagingPath: String
  private let made = Mutex<[String]>([])
  private let isFinished = Atomic<Bool>(false)

  public init(_ place: OutputPlace) throws(CheckpointError) {
    self.place = place
    guard place.isFolder else {
      stagingPath = Paths.folder(place.path)
      return
    }
    let suffix = String(UInt64.random(in: 0 ... .max), radix: 36)
    let staging = Paths.join(Paths.folder(place.path), ".\(Paths.lastComponent(place.path)).safemerge.\(suffix)")
    stagingPath = staging
    try CheckpointError.attempt(staging) { () throws(SystemCalls.Failure) in
      try SystemCalls.makeFolder(staging, mode: 0o700)
    }
  }

  /// Creates a weight file of `byteCount` bytes; `name` is relative to the result's folder and unused for a single file.
  ///
  /// - Parameter reserves: Whether all of its blocks are reserved now.
  package func createFile(_ name: String, byteCount: Int, reserves: Bool = true) throws -> OutputFile {
    let path = place.isFolder ? try path(for: name) : place.path
    return try OutputFile(path: path, byteCount: byteCount, reserves: reserves)
  }

  /// Completes a file that ``createFile(_:byteCount:)`` made; a single file is the whole result and becomes visible.
  package func commit(_ file: OutputFile) throws {
    do throws(SafetensorsError) {
      try file.commit(replacing: place.isFolder || place.replaces)
    } catch {
      if case .system("link", SystemCalls.exists) = error.problem {
        throw CheckpointError(path: place.path, .outputExists)
      }
      throw error
    }
    if !place.isFolder { try synchronize(stagingPath) }
  }

  /// Writes a small file of the result's folder.
  package func write(_ name: String, _ bytes: [UInt8]) throws {
    let file = try createFile(name, byteCount: bytes.count)
    try unsafe file.write(bytes.span.bytes, at: 0)
    try file.commit(replacing: true)
  }

  /// Copies a side file byte for byte.
  package func copy(_ side: SideFiles.File) throws {
    let source = try InputFile(path: side.sourcePath)
    let file = try createFile(side.name, byteCount: source.byteCount)
    var offset = 0
    while offset < source.byteCount {
      let end = min(offset + (4 << 20), source.byteCount)
      let chunk = try source.bytes(offset..<end)
      try unsafe file.write(chunk.span.bytes, at: offset)
      offset = end
    }
    try source.checkUnchanged()
    try file.commit(replacing: true)
  }

  /// Gives a folder its name; after this the result is there, whole and on the disk.
  package func finish() throws(CheckpointError) {
    guard place.isFolder else { return }
    let parent = Paths.folder(place.path)
    let folders = made.withLock { $0 }
    for folder in folders + [stagingPath] {
      try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
        try SystemCalls.setMode(path: folder, 0o777 & ~SystemCalls.userMask)
      }
      try synchronize(folder)
    }
    var retired: String?
    do throws(CheckpointError) {
      retired = try retireExisting()
      try CheckpointError.attempt(place.path) { [stagingPath, place] () throws(SystemCalls.Failure) in
        try SystemCalls.rename(stagingPath, to: place.path)
      }
    } catch {
      if let retired { try? SystemCalls.rename(retired, to: place.path) }
      if case .system("rename", let code) = error.problem, SystemCalls.folderInTheWay.contains(code) {
        throw CheckpointError(path: place.path, .outputExists)
      }
      throw error
    }
    isFinished.store(true, ordering: .sequentiallyConsistent)
    try synchronize(parent)
    if let retired { Self.removeTree(retired) }
  }

  /// Moves a folder that is to be replaced out of the way; returns its new name. An empty one stays: rename replaces it,
  /// and fails if something came into it meanwhile.
  private func retireExisting() throws(CheckpointError) -> String? {
    guard place.holdsModel else { return nil }
    try place.checkHoldsOnlyAModel()
    let retired = stagingPath + ".old"
    try CheckpointError.attempt(place.path) { [place] () throws(SystemCalls.Failure) in
      try SystemCalls.rename(place.path, to: retired)
    }
    return retired
  }

  private func synchronize(_ folder: String) throws(CheckpointError) {
    try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      try SystemCalls.synchronizeFolder(folder)
    }
  }

  /// The path of a file in staging; makes the folders that its name asks for.
  private func path(for name: String) throws(CheckpointError) -> String {
    var folder = stagingPath
    for component in Paths.components(name).dropLast() {
      folder = Paths.join(folder, component)
      let path = folder
      try made.withLock { made throws(CheckpointError) in
        guard !made.contains(path) else { return }
        try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
          try SystemCalls.makeFolder(path, mode: 0o700)
        }
        made.append(path)
      }
    }
    return Paths.join(stagingPath, name)
  }

  /// Removes what this program made, as far as that is possible.
  private static func removeTree(_ path: String) {
    for entry in (try? SystemCalls.entries(ofFolder: path)) ?? [] {
      let child = Paths.join(path, entry)
      let identity = try? SystemCalls.identity(path: child, followingLinks: false)
      if identity?.isDirectory == true { removeTree(child) } else { try? SystemCalls.removeFile(child) }
    }
    try? SystemCalls.removeFolder(path)
  }

  deinit {
    if place.isFolder, !isFinished.load(ordering: .sequentiallyConsistent) { Self.removeTree(stagingPath) }
  }
}
