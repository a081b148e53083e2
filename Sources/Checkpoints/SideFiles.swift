import Safetensors

/// The files that go with the weights into a merged folder: configuration, tokenizer, templates, licences.
public struct SideFiles: Equatable, Sendable {
  /// One file to be copied byte for byte.
  public struct File: Equatable, Sendable {
    /// Relative to the output folder.
    public let name: String
    public let sourcePath: String
    public let byteCount: Int
  }

  /// A larger side file is refused, in bytes.
  public static let largestByteCount = 1 << 30

  /// In the order of their names.
  public let files: [File]
  /// Names in the base's folder that are not copied: weights of other formats, training state, and what is unknown.
  public let skipped: [String]
  /// Whether tokenizer and chat template come from the adapter's folder.
  public let tokenizerIsAdapters: Bool

  public static let none = SideFiles(files: [], skipped: [], tokenizerIsAdapters: false)

  private init(files: [File], skipped: [String], tokenizerIsAdapters: Bool) {
    self.files = files
    self.skipped = skipped
    self.tokenizerIsAdapters = tokenizerIsAdapters
  }

  /// Chooses the side files of a merge by lists of names: nothing that is not on them is copied.
  ///
  /// A `tokenizer_config.json` beside the adapter means that the adapter was trained with that tokenizer: then every file
  /// of the tokenizer comes from there and none from the base.
  ///
  /// - Parameters:
  ///   - base: The base's folder.
  ///   - weightFiles: Names in it that the plan writes itself: shards and index.
  ///   - adapter: The adapter's folder; nil where the adapter is a file.
  public init(base: String, weightFiles: Set<String>, adapter: String?) throws(CheckpointError) {
    let baseNames = try Self.entries(base)
    let adapterNames = try adapter.map { folder throws(CheckpointError) in try Self.entries(folder) } ?? []
    let tokenizerIsAdapters = adapterNames.contains("tokenizer_config.json")
    var chosen: [(name: String, folder: String)] = []
    var skipped: [String] = []
    for name in baseNames where !weightFiles.contains(name) {
      if let subfolder = SideFileRules.subfolder(name) {
        if subfolder.isTokenizer, tokenizerIsAdapters { continue }
        chosen += try Self.files(in: name, of: base, suffix: subfolder.suffix)
      } else if SideFileRules.isTokenizerFile(name) {
        if !tokenizerIsAdapters { chosen.append((name, base)) }
      } else if SideFileRules.isModelFile(name) {
        chosen.append((name, base))
      } else {
        skipped.append(name)
      }
    }
    if tokenizerIsAdapters, let adapter {
      for name in adapterNames {
        if let subfolder = SideFileRules.subfolder(name), subfolder.isTokenizer {
          chosen += try Self.files(in: name, of: adapter, suffix: subfolder.suffix)
        } else if SideFileRules.isTokenizerFile(name) {
          chosen.append((name, adapter))
        }
      }
    }
    chosen.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    var files: [File] = []
    for (name, folder) in chosen {
      let path = Paths.join(folder, name)
      files.append(File(name: name, sourcePath: path, byteCount: try Self.checkedByteCount(path, folder: folder)))
    }
    self.init(files: files, skipped: skipped, tokenizerIsAdapters: tokenizerIsAdapters)
  }

  /// Whether an adapter's folder has a tokenizer of its own.
  public static func hasTokenizer(_ folder: String) -> Bool {
    (try? SystemCalls.identity(path: Paths.join(folder, "tokenizer_config.json"))) != nil
  }

  private static func entries(_ folder: String) throws(CheckpointError) -> [String] {
    let names = try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      (readable: try SystemCalls.entries(ofFolder: folder), not: try SystemCalls.unreadableEntries(ofFolder: folder))
    }
    if let name = names.not.first { throw CheckpointError(path: folder, .nameNotUTF8(name)) }
    return names.readable
  }

  private static func files(
    in subfolder: String, of folder: String, suffix: String
  ) throws(CheckpointError) -> [(name: String, folder: String)] {
    let path = Paths.join(folder, subfolder)
    let identity = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.identity(path: path)
    }
    guard identity?.isDirectory == true else { return [] }
    return try entries(path).filter { $0.hasSuffix(suffix) }.map { (Paths.join(subfolder, $0), folder) }
  }

  /// A link is followed to a regular file in the folder itself or, in the Hugging Face cache, in the cache: a downloaded
  /// folder must not be able to publish another file of this machine under a tokenizer's name.
  private static func checkedByteCount(_ path: String, folder: String) throws(CheckpointError) -> Int {
    let identity = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.identity(path: path)
    }
    guard let identity, identity.isRegularFile else { throw CheckpointError(path: path, .sideFileNotRegular) }
    guard identity.byteCount <= largestByteCount else {
      throw CheckpointError(path: path, .sideFileTooLarge(byteCount: identity.byteCount, limit: largestByteCount))
    }
    guard let real = SystemCalls.realPath(path), let realFolder = SystemCalls.realPath(folder) else {
      throw CheckpointError(path: path, .notFound)
    }
    guard ([realFolder] + blobFolders(of: realFolder)).contains(where: { Paths.isBeneath(real, $0) }) else {
      throw CheckpointError(path: path, .sideFileOutside(realPath: real))
    }
    return identity.byteCount
  }

  /// For `<cache>/models--org--name/snapshots/<commit>`: where huggingface_hub 2.4 keeps the blobs that a snapshot's
  /// links lead to, in the repository's own folder or shared by all.
  private static func blobFolders(of realFolder: String) -> [String] {
    let snapshots = Paths.folder(realFolder)
    let repository = Paths.folder(snapshots)
    guard Paths.lastComponent(snapshots) == "snapshots", Paths.lastComponent(repository).hasPrefix("models--") else {
      return []
    }
    return [Paths.join(repository, "blobs"), Paths.join(Paths.folder(repository), "blobs")]
  }
}
