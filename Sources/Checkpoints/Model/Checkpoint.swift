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
  }

  /// One weight file.
  public struct File: Sendable {
    /// Relative to the folder, or the name of the single file.
    public let name: String
    public let path: String
    public let header: SafetensorsHeader

    package init(name: String, path: String, header: SafetensorsHeader) {
      self.name = name
      self.path = path
      self.header = header
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
  public let index: CheckpointIndex?
  /// config.json, read leniently; nil if there is no such file.
  public let config: JSONValue?
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
  /// none may occur twice.
  ///
  /// - Throws: ``CheckpointError``, or `SafetensorsError` for a weight file.
  public init(path: String) throws { try self.init(path: path, workers: Machine.processorCount) }

  /// The same on at most `workers` threads.
  public init(path: String, workers: Int) throws {
    guard
      let identity = try CheckpointError.attempt(
        path,
        { () throws(SystemCalls.Failure) in
          try SystemCalls.identity(path: path)
        })
    else { throw CheckpointError(path: path, .notFound) }
    if identity.isDirectory {
      try self.init(folder: path, selection: nil, workers: workers)
    } else if path.hasSuffix(".index.json") {
      try self.init(folder: Paths.folder(path), selection: Paths.lastComponent(path), workers: workers)
    } else {
      let file = try Self.open(path, name: Paths.lastComponent(path))
      self.init(path: path, layout: .singleFile, files: [file], index: nil, config: nil, warnings: [])
    }
  }

  /// Files whose headers were already read, for inspection: they need not form a model. Of a tensor that
  /// several files have, the first one counts.
  package init(path: String, opened files: [File], config: JSONValue?) {
    self.init(path: path, layout: .folder, files: files, index: nil, config: config, warnings: [])
  }

  private init(folder: String, selection: String?, workers: Int) throws {
    let configPath = Paths.join(folder, "config.json")
    let config: JSONValue?
    do throws(CheckpointError) {
      config = try Self.readConfig(configPath)
    } catch {
      guard error.problem == .notFound else { throw error }
      config = nil
    }
    let chosen =
      try selection.map { (WeightSelection.index($0), []) } ?? WeightSelection.choose(folder: folder, config: config)
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
    case .shards(let names):
      let headers = try WorkQueue.map(names, workers: workers) { try SafetensorsHeader(path: Paths.join(folder, $0)) }
      try self.init(
        folder: folder, CheckpointIndex(shards: names, headers: headers), name: WeightSelection.indexName,
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

  /// A tensor that the index places in a shard which lacks it may lie in a file that the index does not name: then it
  /// would be lost.
  private static func checkNobodyHas(
    _ ghosts: [TensorName], _ index: CheckpointIndex, folder: String, indexPath: String
  ) throws {
    let entries = try CheckpointError.attempt(folder) { () throws(SystemCalls.Failure) in
      try SystemCalls.entries(ofFolder: folder)
    }
    let places = Dictionary(index.weightMap.map { ($0.tensor, $0.shard) }) { first, _ in first }
    for name in entries where name.hasSuffix(".safetensors") && !index.shardNames.contains(name) {
      guard let header = try? SafetensorsHeader(path: Paths.join(folder, name)) else { continue }
      let names = Set(header.tensors.indices.map { header.tensors.name(at: $0) })
      guard let found = ghosts.first(where: names.contains), let place = places[found] else { continue }
      throw CheckpointError(
        path: indexPath, .tensorInOtherShard(indexed: index.shardNames[place], found: name), tensor: found)
    }
  }

  private init(
    path: String, layout: Layout, files: [File], index: CheckpointIndex?, config: JSONValue?, warnings: [String]
  ) {
    self.path = path
    self.layout = layout
    self.files = files
    self.index = index
    self.config = config
    self.warnings = warnings
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

  private static func open(_ path: String, name: String) throws(SafetensorsError) -> File {
    File(name: name, path: path, header: try SafetensorsHeader(path: path))
  }

  /// The shards in the order of the index's names, and whether each holds exactly the tensors that the index assigns to
  /// it.
  private static func openShards(
    _ index: CheckpointIndex, folder: String, indexName: String, workers: Int
  ) throws -> (files: [File], agree: Bool) {
    let indexed = index.weightMap.positionsByShard(count: index.shardNames.count)
    // Names are compared by their hashes, 64 bits with a seed that no file can know: looking up 100,000 names one by
    // one costs as much as reading their headers.
    let shards = try WorkQueue.map(Array(zip(index.shardNames, indexed)), workers: workers) { name, positions in
      try Paths.checkFolders(of: name, in: folder)
      do throws(SafetensorsError) {
        let file = try open(Paths.join(folder, name), name: name)
        let hashes = file.header.tensors.nameHashes().sorted()
        return (file: file, agrees: hashes == index.weightMap.nameHashes(positions).sorted(), hashes: hashes)
      } catch {
        if case .file(.system(_, SystemCalls.noSuchFile)) = error.problem {
          throw CheckpointError(path: Paths.join(folder, indexName), .missingShard(name))
        }
        throw error
      }
    }
    // Index and shards may agree and both name a tensor twice. A hash that two names share only costs time.
    let hashes = shards.flatMap(\.hashes).sorted()
    let areDistinct = zip(hashes, hashes.dropFirst()).allSatisfy { $0 != $1 }
    return (shards.map(\.file), areDistinct && shards.allSatisfy(\.agrees))
  }

  /// Names the first tensor on which index and headers disagree.
  ///
  /// - Returns: Tensors that the index names and no file has: nothing is lost without them, and transformers loads such
  ///   a model.
  private func findDisagreement(
    _ index: CheckpointIndex, indexPath: String
  ) throws(CheckpointError) -> [TensorName] {
    var ghosts: [TensorName] = []
    var owners: [TensorName: Int] = [:]
    for (number, file) in files.enumerated() {
      for position in file.header.tensors.indices {
        let name = file.header.tensors.name(at: position)
        if let other = owners.updateValue(number, forKey: name) {
          throw CheckpointError(path: path, .tensorInTwoShards(files[other].name, file.name), tensor: name)
        }
      }
    }
    var isIndexed = files.map { Array(repeating: false, count: $0.header.tensors.count) }
    for entry in index.weightMap {
      guard let location = locations.location(of: entry.tensor) else {
        ghosts.append(entry.tensor)
        continue
      }
      guard location.file == entry.shard else {
        throw CheckpointError(
          path: indexPath,
          .tensorInOtherShard(indexed: index.shardNames[entry.shard], found: files[location.file].name),
          tensor: entry.tensor)
      }
      guard !isIndexed[location.file][location.index] else {
        throw CheckpointError(path: indexPath, .tensorIndexedTwice, tensor: entry.tensor)
      }
      isIndexed[location.file][location.index] = true
    }
    for (file, isIndexed) in zip(files, isIndexed) {
      guard let position = isIndexed.firstIndex(of: false) else { continue }
      throw CheckpointError(
        path: indexPath, .tensorNotInIndex(shard: file.name), tensor: file.header.tensors.name(at: position))
    }
    return ghosts
  }
}
