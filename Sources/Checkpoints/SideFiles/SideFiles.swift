import Platform
import Safetensors

/// The files that are copied beside the merged weights: configuration, tokenizer, templates, code, components,
/// licenses.
public struct SideFiles: Equatable, Sendable {
  /// One file of the result.
  public struct File: Equatable, Sendable {
    /// Relative to the output folder.
    public let name: String
    /// The file that is copied byte for byte; if there is a `text`, the file that it was taken from.
    public let sourcePath: String
    public let byteCount: Int
    /// Text that is written instead of a copy: a chat template that the base keeps in a file that the adapter replaces.
    package let text: [UInt8]?

    /// How it was taken from ``sourcePath``, in words.
    package var origin: String { text == nil ? "copied from" : "taken out of" }

    init(name: String, sourcePath: String, byteCount: Int, text: [UInt8]? = nil) {
      self.name = name
      self.sourcePath = sourcePath
      self.byteCount = byteCount
      self.text = text
    }
  }

  /// A file of the base's folder, or a folder with its contents, that is not copied.
  public struct LeftOut: Equatable, Sendable {
    /// Relative to the base's folder; a folder ends with "/".
    public let name: String
    public let reason: SideFileExclusion

    package init(name: String, reason: SideFileExclusion) {
      self.name = name
      self.reason = reason
    }
  }

  /// The caller's own patterns, which override the rules.
  public struct Selection: Equatable, Sendable {
    /// Patterns of files or folders in the base's folder that are copied although a rule excludes them.
    public var include: [String]
    /// Patterns of files that are not copied; they win over ``include``.
    public var exclude: [String]

    public init(include: [String] = [], exclude: [String] = []) {
      self.include = include
      self.exclude = exclude
    }
  }

  /// The largest file without tensors, in bytes, that is copied without being named.
  public static let largestByteCount = 1 << 30

  /// In the order of their names.
  public let files: [File]
  /// In the order of their names.
  public let leftOut: [LeftOut]
  /// Warnings about the choice.
  public var warnings: [String] {
    let hasAdapter = leftOut.contains { $0.name.hasPrefix("adapter_model") && $0.reason == .adapter }
    guard hasAdapter, !adapterIsMerged else { return [] }
    return [
      "\(base): holds an adapter beside the weights, which loaders apply with them; it is neither merged nor copied: merge it "
        + "too, or take it along with --include-file 'adapter_*'"
    ]
  }
  /// The base's folder.
  private let base: String
  /// Whether the adapter in the base's folder, if there is one, is among those that are merged.
  private let adapterIsMerged: Bool
  /// Whether tokenizer.json comes from the adapter's folder.
  public let tokenizerIsAdapters: Bool

  public static let none = SideFiles(
    files: [], leftOut: [], base: "", adapterIsMerged: false, tokenizerIsAdapters: false)

  private init(files: [File], leftOut: [LeftOut], base: String, adapterIsMerged: Bool, tokenizerIsAdapters: Bool) {
    self.base = base
    self.adapterIsMerged = adapterIsMerged
    self.files = files
    self.leftOut = leftOut
    self.tokenizerIsAdapters = tokenizerIsAdapters
  }

  /// Chooses the files that a merge copies: everything in the base's folder except what ``SideFileExclusion`` names.
  ///
  /// Every file of the adapter's tokenizer replaces the base's file of the same name, and files of other names that
  /// would override it; the base's other files stay.
  ///
  /// - Parameters:
  ///   - base: The base's folder.
  ///   - written: Paths in it that the plan writes itself: shards, index, a changed config.json.
  ///   - checkpoint: The base, whose tensors identify other files of the same weights, and its parts if it is a pipeline.
  ///   - adapter: The folder of the adapter whose tokenizer is used; nil if no adapter's tokenizer is used.
  ///   - mergedFolders: The folders of all adapters that are merged.
  ///   - losesQuantization: Whether the base is quantized and the result is not.
  ///   - selection: The caller's own patterns.
  /// - Throws: ``CheckpointError``: a link that leaves the folder, something that is not a regular file, a pattern
  ///   without a match.
  public init(
    base: String, written: Set<String>, checkpoint: Checkpoint? = nil, adapter: String? = nil,
    mergedFolders: [String] = [],
    losesQuantization: Bool = false, selection: Selection = Selection()
  ) throws(CheckpointError) {
    let walk = try SideFileWalk(
      SideFileWalk.Question(
        folder: base, written: written, partFolders: Set(checkpoint?.parts.map(\.name) ?? []),
        weightByteCount: checkpoint?.files.reduce(0) { $0 + $1.header.fileByteCount },
        isBaseTensor: { checkpoint?.location(of: $0) != nil },
        mergedFolders: Set(mergedFolders.compactMap { SystemCalls.realPath($0) }), losesQuantization: losesQuantization,
        include: selection.include.map(Glob.init), exclude: selection.exclude.map(Glob.init)))
    for pattern in selection.include {
      let glob = Glob(pattern)
      guard walk.found.contains(where: { SideFileWalk.matches([glob], $0.path) }) else {
        throw CheckpointError(path: base, .nothingToInclude(pattern: pattern))
      }
    }
    let own = try adapter.map { folder throws(CheckpointError) in try Self.tokenizerFiles(in: folder) } ?? []
    let replacement = adapter.map { TokenizerFiles.Replacement(folder: $0, names: Set(own)) }
    var files: [File] = []
    var leftOut = walk.leftOut
    for file in walk.found {
      let path = Paths.join(base, file.path)
      if replacement?.names.contains(file.path) == true { continue }
      if !file.isAskedFor, replacement?.overrules(file.path, at: path) == true {
        leftOut.append(LeftOut(name: file.path, reason: .replaced))
        continue
      }
      files.append(
        File(
          name: file.path, sourcePath: path,
          byteCount: try Self.checkedByteCount(path, folder: base, isAskedFor: file.isAskedFor)))
    }
    if let adapter {
      for name in own {
        let path = Paths.join(adapter, name)
        files.append(File(name: name, sourcePath: path, byteCount: try Self.checkedByteCount(path, folder: adapter)))
      }
    }
    let config = Paths.join(base, TokenizerFiles.configName)
    if let replacement, replacement.names.contains(TokenizerFiles.configName), !replacement.hasTemplate,
      !files.contains(where: { $0.name == TokenizerFiles.templateName }), !written.contains(TokenizerFiles.configName)
    {
      for (name, text) in TokenizerFiles.templates(inConfig: config) where !files.contains(where: { $0.name == name }) {
        let bytes = Array(text.utf8)
        files.append(File(name: name, sourcePath: config, byteCount: bytes.count, text: bytes))
      }
    }
    files.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    leftOut.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    self.init(
      files: files, leftOut: leftOut, base: base, adapterIsMerged: walk.mergesItsOwnAdapter,
      tokenizerIsAdapters: own.contains("tokenizer.json"))
  }

  /// `model-*-of-00005.bin` for the name of a shard; nil for any other name.
  package static func shardPattern(_ name: String) -> String? {
    SideFileRules.shardNumber(name).map { shard in
      let digits = String(shard.count)
      let width = name.utf8.count - shard.prefix.utf8.count - shard.suffix.utf8.count
      let padding = String(repeating: "0", count: max(0, (width - 4) / 2 - digits.utf8.count))
      return "\(shard.prefix)*-of-\(padding)\(digits)\(shard.suffix)"
    }
  }

  /// Whether an adapter's folder has a tokenizer or a chat template of its own.
  public static func hasTokenizer(_ folder: String) -> Bool {
    TokenizerFiles.areIn((try? SystemCalls.entries(ofFolder: folder)) ?? [])
  }

  /// Whether the tokenizers in two folders have the same files with the same bytes.
  package static func haveEqualTokenizers(_ one: String, _ other: String) throws(CheckpointError) -> Bool {
    let names = try tokenizerFiles(in: one)
    guard try names == tokenizerFiles(in: other) else { return false }
    for name in names {
      let (left, right) = (Paths.join(one, name), Paths.join(other, name))
      guard
        try BoundedFile.read(left, limit: largestByteCount) == BoundedFile.read(right, limit: largestByteCount)
      else { return false }
    }
    return true
  }

  private static func tokenizerFiles(in folder: String) throws(CheckpointError) -> [String] {
    var names: [String] = []
    for name in try entries(folder) {
      if TokenizerFiles.isOne(name) {
        names.append(name)
      } else if name == TokenizerFiles.templateFolder,
        (try? SystemCalls.identity(path: Paths.join(folder, name)))?.isDirectory == true
      {
        names += try entries(Paths.join(folder, name)).filter { $0.hasSuffix(".jinja") }.map { Paths.join(name, $0) }
      }
    }
    return names
  }

  /// The names in a folder. A name that is not UTF-8 could not be copied under its own bytes.
  static func entries(_ folder: String) throws(CheckpointError) -> [String] {
    let names = try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      (readable: try SystemCalls.entries(ofFolder: folder), not: try SystemCalls.unreadableEntries(ofFolder: folder))
    }
    if let name = names.not.first { throw CheckpointError(path: folder, .nameNotUTF8(name)) }
    return names.readable
  }

  /// A link is followed to a regular file in the folder itself or, in the Hugging Face cache, in the cache: a
  /// downloaded folder must not be able to publish another file of this machine under a tokenizer's name.
  ///
  /// - Parameter isAskedFor: Whether the user named it; it may then be anywhere and of any size.
  private static func checkedByteCount(
    _ path: String, folder: String, isAskedFor: Bool = false
  ) throws(CheckpointError) -> Int {
    let identity = try CheckpointError.attempt(path) { () throws(SystemCalls.Failure) in
      try SystemCalls.identity(path: path)
    }
    guard let identity, identity.isRegularFile else { throw CheckpointError(path: path, .sideFileNotRegular) }
    guard !isAskedFor else { return identity.byteCount }
    guard identity.byteCount <= largestByteCount || SideFileRules.hasTensors(path) else {
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
