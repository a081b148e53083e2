import JSONText
import Platform
import Safetensors

/// A model on disk: its weight files with their headers, and where each tensor is.
public struct Checkpoint: Sendable {
  public enum Layout: Equatable, Sendable {
    /// A single safetensors file.
    case singleFile
    /// A folder with one weight file.
    case folder
    /// A folder with shards and an index of this name.
    case shardedFolder(indexName: String)
    /// A folder of diffusers whose parts are models in folders of their own.
    case pipeline
  }

  /// One weight file.
  public struct File: Sendable {
    /// Relative to the folder, or the name of the single file.
    public let name: String
    public let path: String
    /// Of a part of a pipeline the names of the tensors begin with that of the part and a slash.
    public let header: SafetensorsHeader
    /// The part of a pipeline that it belongs to; nil in any other model.
    public let part: String?

    package init(name: String, path: String, header: SafetensorsHeader, part: String? = nil) {
      self.name = name
      self.path = path
      self.header = header
      self.part = part
    }

    /// The name that a tensor of this file has in the file itself.
    package func ownName(_ name: TensorName) -> TensorName {
      guard let part, name.string.utf8.starts(with: (part + "/").utf8) else { return name }
      return TensorName(String(decoding: name.string.utf8.dropFirst(part.utf8.count + 1), as: UTF8.self))
    }
  }

  /// The place of a tensor: the place of its file in ``files`` and of its entry in that file's table.
  public struct Location: Equatable, Sendable {
    public let file: Int
    public let index: Int

    package init(file: Int, index: Int) {
      self.file = file
      self.index = index
    }
  }

  /// As the caller named it.
  public let path: String
  public let layout: Layout
  /// In the order of their names.
  public let files: [File]
  /// Nil for a pipeline, whose parts have indexes of their own.
  public let index: CheckpointIndex?
  /// config.json, read leniently; nil if there is no such file. A pipeline has none: its parts do.
  public let config: JSONValue?
  /// The parts of a pipeline that have weights, in the order of their names; empty for any other model.
  public let parts: [Part]
  /// Warnings about the selection.
  public private(set) var warnings: [String]
  private let locations: LocationTable

  package static let largestConfigByteCount = 4 << 20

  /// The folder with the config and tokenizer files; nil for a single file.
  public var folder: String? { layout == .singleFile ? nil : path }

  public var tensorCount: Int { files.reduce(0) { $0 + $1.header.tensors.count } }

  /// Opens the model at `path`: a safetensors file, an index file, or a folder.
  ///
  /// In a folder the weights are selected as transformers 5.24 `from_pretrained` does: `transformers_weights` of
  /// config.json, else `model.safetensors`, else `model.safetensors.index.json`; else a complete set of shards. Every
  /// header is read and checked; of a sharded model every tensor of a header must be in the index, under its shard, and
  /// none may occur twice. A folder with `model_index.json`, or that file itself, is a pipeline of diffusers, whose parts are opened in this way
  /// each, and their tensors are called `part/name`.
  ///
  /// - Throws: ``CheckpointError``, or `SafetensorsError` for a weight file.
  public init(path: String) throws { try self.init(path: path, workers: Machine.processorCount) }

  /// The same on at most `workers` threads.
  ///
  /// - Parameters:
  ///   - path: A safetensors file, an index file, or a folder.
  ///   - workers: Threads that read headers.
  ///   - variant: Which of several variants of the weights is opened: `fp16` for `model.fp16.safetensors`, `default` for files
  ///     without a variant in their names. Nil: the folder must have one only.
  public init(path: String, workers: Int, variant: String? = nil) throws {
    guard
      let identity = try CheckpointError.attempt(
        path,
        { () throws(SystemCalls.Failure) in
          try SystemCalls.identity(path: path)
        })
    else { throw CheckpointError(path: path, .notFound) }
    if identity.isDirectory {
      if let index = try PipelineIndex(path) {
        try self.init(pipeline: path, index, variant: variant, workers: workers)
        return
      }
      let config = try Self.optionalConfig(path)
      let chosen = try WeightSelection.choose(folder: path, config: config, variant: variant)
      try self.init(folder: path, chosen, config: config, workers: workers)
    } else if Paths.lastComponent(path) == PipelineIndex.fileName, let index = try PipelineIndex(Paths.folder(path)) {
      try self.init(pipeline: Paths.folder(path), index, variant: variant, workers: workers)
    } else if path.hasSuffix(".index.json") {
      let folder = Paths.folder(path)
      try self.init(
        folder: folder, (.index(Paths.lastComponent(path)), []), config: try Self.optionalConfig(folder),
        workers: workers)
    } else {
      let file = try Self.open(path, name: Paths.lastComponent(path))
      self.init(path: path, layout: .singleFile, files: [file], index: nil, config: nil, warnings: [])
    }
  }

  /// Files whose headers were already read, for inspection: they need not form a model. Of a tensor that
  /// several files have, the first one counts.
  package init(path: String, opened files: [File], config: JSONValue?) {
    self.init(
      path: path, layout: files.contains { $0.part != nil } ? .pipeline : .folder, files: files, index: nil,
      config: config, warnings: [])
  }

  private static func optionalConfig(_ folder: String) throws(CheckpointError) -> JSONValue? {
    do throws(CheckpointError) { return try readConfig(Paths.join(folder, "config.json")) } catch {
      guard error.problem == .notFound else { throw error }
      return nil
    }
  }

  /// Opens a pipeline of diffusers.
  private init(pipeline folder: String, _ index: PipelineIndex, variant: String?, workers: Int) throws {
    let opened = try Self.openPipeline(index, folder: folder, variant: variant, workers: workers)
    self.init(
      path: folder, layout: .pipeline, files: opened.files, index: nil, config: nil, warnings: opened.warnings,
      parts: opened.parts)
  }

  /// Opens the weights that were chosen in a folder.
  ///
  /// - Parameter chosen: The choice, and warnings about it.
  init(
    folder: String, _ chosen: (selection: WeightSelection, warnings: [String]), config: JSONValue?, workers: Int
  ) throws {
    let (selection, warnings) = chosen
    switch selection {
    case .file(let name):
      try Paths.checkFolders(of: name, in: folder)
      let file = try Self.open(Paths.join(folder, name), name: name)
      self.init(path: folder, layout: .folder, files: [file], index: nil, config: config, warnings: warnings)
    case .index(let name):
      try Paths.checkFolders(of: name, in: folder)
      let index = try CheckpointIndex(path: Paths.join(folder, name))
      try self.init(folder: folder, index, name: name, config: config, warnings: warnings, workers: workers)
    case .shards(let names, let indexName):
      let headers = try WorkQueue.map(names, workers: workers) { try SafetensorsHeader(path: Paths.join(folder, $0)) }
      try self.init(
        folder: folder, CheckpointIndex(shards: names, headers: headers), name: indexName,
        config: config, warnings: warnings, workers: workers)
    }
  }

  private init(
    folder: String, _ index: CheckpointIndex, name: String, config: JSONValue?, warnings: [String], workers: Int
  ) throws {
    let (files, agree) = try Self.openShards(index, folder: folder, indexName: name, workers: workers)
    self.init(
      path: folder, layout: .shardedFolder(indexName: name), files: files, index: index, config: config,
      warnings: warnings)
    guard !agree else { return }
    let ghosts = try findDisagreement(index, indexPath: Paths.join(folder, name))
    guard !ghosts.isEmpty else { return }
    try Self.checkNobodyHas(ghosts, index, folder: folder, indexPath: Paths.join(folder, name))
    self.warnings.append(
      CheckpointIndex.ghostWarning(ghosts, indexPath: Paths.join(folder, name))
        + "; the result's index lists only existing tensors")
  }

  private init(
    path: String, layout: Layout, files: [File], index: CheckpointIndex?, config: JSONValue?, warnings: [String],
    parts: [Part] = []
  ) {
    self.path = path
    self.layout = layout
    self.files = files
    self.index = index
    self.config = config
    self.warnings = warnings
    self.parts = parts
    locations = LocationTable(files)
  }

  /// Where the tensor called `name` is; nil if the model has none.
  public func location(of name: TensorName) -> Location? { locations.location(of: name) }

  public func tensor(at location: Location) -> TensorInfo { files[location.file].header.tensors[location.index] }

  /// The names of all tensors, in the order of the files and their data.
  public var tensorNames: [TensorName] {
    files.flatMap { file in file.header.tensors.indices.map { file.header.tensors.name(at: $0) } }
  }

  package static func readConfig(_ path: String) throws(CheckpointError) -> JSONValue {
    let bytes = try BoundedFile.read(path, limit: largestConfigByteCount)
    do throws(JSONError) {
      let value = try JSONParser.parseLenient(bytes.span)
      guard case .object = value else { throw JSONError(.syntax(detail: "an object expected"), at: 0) }
      return value
    } catch { throw CheckpointError(path: path, .json(error)) }
  }

  static func open(_ path: String, name: String) throws(SafetensorsError) -> File {
    File(name: name, path: path, header: try SafetensorsHeader(path: path))
  }
}
