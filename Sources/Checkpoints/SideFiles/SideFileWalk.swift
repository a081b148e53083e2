import JSONText
import Platform
import Safetensors

/// Walks a base's folder and decides for every file whether it is copied.
struct SideFileWalk {
  /// The paths of the merge and the user's patterns.
  struct Question {
    /// The base's folder.
    let folder: String
    /// Paths in it that are the base's weights or that the merge writes itself.
    let written: Set<String>
    /// The folders of a pipeline's parts; empty for any other model.
    var partFolders: Set<String> = []
    /// The size of the base's weight files; nil if it is not known, and then no file is compared with it.
    let weightByteCount: Int?
    /// Whether a name is that of a tensor of the base.
    let isBaseTensor: (TensorName) -> Bool
    /// The folders of the adapters that are merged, without links.
    let mergedFolders: Set<String>
    /// Whether the base is quantized and the result's config.json says nothing of it any more.
    let losesQuantization: Bool
    let include: [Glob]
    let exclude: [Glob]
  }

  struct Found: Equatable {
    /// Relative to the base's folder.
    let path: String
    /// Whether the user asked for it by `--include-file`.
    let isAskedFor: Bool
  }

  /// A folder with more files, or deeper ones, is not a model's.
  static let largestFileCount = 20_000
  private static let largestDepth = 32
  /// Names that a result has only if the merge wrote them, because a loader would open them instead.
  private static let reserved = [
    "model.safetensors", "model.safetensors.index.json", ResultMarks.record, ResultMarks.incomplete,
  ]
  private static let configByteCount = 4 << 20

  private let question: Question
  private(set) var found: [Found] = []
  private(set) var leftOut: [SideFiles.LeftOut] = []
  /// The base's config.json, which identifies a copy of the model in a sub-folder.
  private let kind: [JSONValue?]?
  /// Folders that modules.json of sentence-transformers names.
  private let modules: Set<String>

  init(_ question: Question) throws(CheckpointError) {
    self.question = question
    kind = Self.kind(Paths.join(question.folder, "config.json"))
    modules = Self.modules(Paths.join(question.folder, "modules.json"))
    try visit("", excluded: nil, depth: 0)
  }

  /// - Parameter excluded: The reason why the folder is excluded; then only files that the user asks for are copied.
  private mutating func visit(_ folder: String, excluded: SideFileExclusion?, depth: Int) throws(CheckpointError) {
    let absolute = folder.isEmpty ? question.folder : Paths.join(question.folder, folder)
    guard depth <= Self.largestDepth else {
      throw CheckpointError(path: absolute, .tooManySideFiles(Self.largestFileCount))
    }
    for name in try SideFiles.entries(absolute) {
      let path = folder.isEmpty ? name : Paths.join(folder, name)
      guard !question.written.contains(path) else { continue }
      let isFolder = isFolder(Paths.join(absolute, name))
      let decision = decide(path, name: name, isFolder: isFolder, isRoot: depth == 0, excluded: excluded)
      if let reason = decision.reason, excluded == nil {
        leftOut.append(SideFiles.LeftOut(name: isFolder ? path + "/" : path, reason: reason))
      }
      if isFolder {
        if decision.reason != nil {
          // The user may have asked for a file in it.
          guard !question.include.isEmpty, decision.reason != .asked, !isLink(path) else { continue }
        } else {
          try checkLink(path, isAskedFor: decision.isAskedFor)
        }
        try visit(path, excluded: decision.reason, depth: depth + 1)
      } else if decision.reason == nil {
        guard found.count < Self.largestFileCount else {
          throw CheckpointError(path: question.folder, .tooManySideFiles(Self.largestFileCount))
        }
        found.append(Found(path: path, isAskedFor: decision.isAskedFor))
      }
    }
  }

  private func decide(
    _ path: String, name: String, isFolder: Bool, isRoot: Bool, excluded: SideFileExclusion?
  ) -> (reason: SideFileExclusion?, isAskedFor: Bool) {
    if isRoot, let reserved = Self.reserved.first(where: { $0 == name }) {
      return (reserved.hasPrefix(".") ? .hidden : .weights, false)
    }
    if Self.matches(question.exclude, path) { return (.asked, false) }
    let absolute = Paths.join(question.folder, path)
    if isFolder, let real = SystemCalls.realPath(absolute), question.mergedFolders.contains(real) {
      return (.adapter, false)
    }
    // An adapter that is merged must not be applied to the result again.
    if isRoot, SideFileRules.exclusion(name, isFolder: isFolder, isRoot: true) == .adapter, mergesItsOwnAdapter {
      return (.adapter, false)
    }
    if Self.matches(question.include, path) { return (nil, true) }
    if let excluded { return (excluded, false) }
    if modules.contains(path) { return (nil, false) }
    if let reason = exclusionOfPipeline(path, name: name, isFolder: isFolder, isRoot: isRoot) { return (reason, false) }
    if let reason = SideFileRules.exclusion(name, isFolder: isFolder, isRoot: isRoot) { return (reason, false) }
    if isRoot, question.losesQuantization, SideFileRules.describesQuantization(name) { return (.quantization, false) }
    if isFolder { return (isCopyOfTheModel(absolute) ? .weights : nil, false) }
    return (isRoot && holdsTheModel(absolute, name) ? .weights : nil, false)
  }

  /// In the folder of a pipeline's part, files are other weights by the rules of a model's own folder. In the pipeline's
  /// folder itself no loader opens tensors: there are checkpoints of other programs, with the base's weights.
  private func exclusionOfPipeline(
    _ path: String, name: String, isFolder: Bool, isRoot: Bool
  ) -> SideFileExclusion? {
    guard !question.partFolders.isEmpty, !isFolder else { return nil }
    if isRoot { return SideFileRules.hasTensors(name) ? .weights : nil }
    guard question.partFolders.contains(Paths.folder(path)) else { return nil }
    return SideFileRules.exclusion(name, isFolder: false, isRoot: true) == .weights ? .weights : nil
  }

  /// Whether an adapter in the base's folder is among those that are merged.
  var mergesItsOwnAdapter: Bool {
    SystemCalls.realPath(question.folder).map(question.mergedFolders.contains) == true
  }

  /// Whether a pattern matches the path or one of its parent folders.
  static func matches(_ globs: [Glob], _ path: String) -> Bool {
    guard !globs.isEmpty else { return false }
    var prefix = ""
    for component in Paths.components(path) {
      prefix = prefix.isEmpty ? component : prefix + "/" + component
      if globs.contains(where: { $0.matches(prefix) }) { return true }
    }
    return false
  }

  private func isFolder(_ path: String) -> Bool { (try? SystemCalls.identity(path: path))?.isDirectory == true }

  // MARK: - What a file has

  /// Whether a file of tensors beside the weights has the base's tensors, or is about as large as all of them.
  private func holdsTheModel(_ path: String, _ name: String) -> Bool {
    guard SideFileRules.hasTensors(name) else { return false }
    if name.hasSuffix(".safetensors"), let header = try? SafetensorsHeader(path: path),
      header.tensors.indices.contains(where: { question.isBaseTensor(header.tensors.name(at: $0)) })
    {
      return true
    }
    guard let weights = question.weightByteCount, let found = try? SystemCalls.identity(path: path) else {
      return false
    }
    return found.byteCount >= max(weights / 2, 1 << 20)
  }

  /// Whether a folder has a model of the same class as the base's: another precision or another state of training.
  private func isCopyOfTheModel(_ folder: String) -> Bool {
    guard let kind, let other = Self.kind(Paths.join(folder, "config.json")), kind == other else { return false }
    let entries = (try? SystemCalls.entries(ofFolder: folder)) ?? []
    return entries.contains { SideFileRules.exclusion($0, isFolder: false, isRoot: true) == .weights }
  }

  /// The model that a config.json describes; nil if it does not say.
  private static func kind(_ path: String) -> [JSONValue?]? {
    guard let config = read(path), config["architectures"] != nil || config["model_type"] != nil else { return nil }
    return [config["architectures"], config["model_type"]]
  }

  private static func modules(_ path: String) -> Set<String> {
    guard case .array(let modules)? = read(path) else { return [] }
    return Set(
      modules.compactMap { module in
        if case .string(let path)? = module["path"], !path.isEmpty { Paths.withoutTrailingSlashes(path) } else { nil }
      })
  }

  private static func read(_ path: String) -> JSONValue? {
    guard let bytes = try? BoundedFile.read(path, limit: configByteCount) else { return nil }
    return try? JSONParser.parseLenient(bytes.span)
  }

  // MARK: - Links

  private func isLink(_ path: String) -> Bool {
    let found = try? SystemCalls.identity(path: Paths.join(question.folder, path), followingLinks: false)
    return found?.isDirectory == false
  }

  /// A link to a folder is followed if it stays in the base's folder or the user asked for it, and if it does not form
  /// a cycle.
  private func checkLink(_ path: String, isAskedFor: Bool) throws(CheckpointError) {
    guard isLink(path) else { return }
    let absolute = Paths.join(question.folder, path)
    guard let real = SystemCalls.realPath(absolute), let root = SystemCalls.realPath(question.folder),
      let parent = SystemCalls.realPath(Paths.folder(absolute))
    else { throw CheckpointError(path: absolute, .notFound) }
    guard isAskedFor || Paths.isBeneath(real, root), !Paths.isBeneath(parent, real) else {
      throw CheckpointError(path: absolute, .sideFileOutside(realPath: real))
    }
  }
}
