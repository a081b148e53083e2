import Adapters
import Checkpoints
import Checksums
import JSONText
import MergePlanning
import Platform
import Safetensors

/// Finds faults of a model or an adapter on disk, and continues after the first one.
public struct ModelInspection: Sendable {
  public struct Options: Sendable {
    /// Whether all data is read: NaN and infinities are counted, tied tensors compared, recorded checksums verified.
    public var readsData = false
    /// The expected checksums of the files.
    public var sums: SumsFile?
    /// Whether to compute the checksum of every file.
    public var computesSums = false
    /// Threads, at least 1.
    public var workers: Int

    public init(workers: Int) { self.workers = max(1, workers) }
  }

  public struct File: Sendable {
    /// Relative to the folder, or the name of the single file.
    public let name: String
    public let path: String
    public let header: SafetensorsHeader
  }

  /// A tensor with NaN or infinite elements.
  public struct NonFinite: Sendable, Equatable {
    public let tensor: TensorName
    public let file: String
    public let nanCount: Int
    public let infinityCount: Int
    public let elementCount: Int
  }

  public let path: String
  public let isAdapter: Bool
  /// The weight files whose headers are valid.
  public internal(set) var files: [File] = []
  public internal(set) var findings: [Finding] = []
  /// Notes that are not faults.
  public internal(set) var notes: [String] = []
  /// Tensors with NaN or infinities; filled if data was read.
  public internal(set) var nonFinite: [NonFinite] = []
  /// The checksums of all files, if requested, in the order of the names.
  public internal(set) var sums: [SumsFile.Entry] = []

  /// The folder; nil for a single file.
  let folder: String?
  var config: JSONValue?
  /// Pairs of an embedding and a head that config.json ties and that are both stored.
  var tiedPairs: [(embedding: TensorName, head: TensorName)] = []
  let options: Options
  /// The model's quantized weights.
  var weights = StoredWeights.none

  /// Inspects the safetensors file, the index file, or the folder of a model or an adapter at `path`.
  ///
  /// - Throws: If it cannot be inspected: the path does not exist, or a file cannot be read.
  public init(path: String, options: Options) throws {
    self.path = path
    self.options = options
    let identity: SystemCalls.Identity?
    do throws(SystemCalls.Failure) { identity = try SystemCalls.identity(path: path) } catch {
      throw CheckpointError(path: path, .system(call: error.call, code: error.code))
    }
    guard let identity else { throw CheckpointError(path: path, .notFound) }
    guard identity.isDirectory || path.hasSuffix(".index.json") else {
      folder = nil
      isAdapter = false
      try addFile(Paths.lastComponent(path), at: path)
      describeWeights()
      inspectAdapterTensors()
      try inspectData()
      return
    }
    let folder = identity.isDirectory ? path : Paths.folder(path)
    self.folder = folder
    let entries: [String]
    do throws(SystemCalls.Failure) { entries = try SystemCalls.entries(ofFolder: folder) } catch {
      throw CheckpointError(path: folder, .system(call: error.call, code: error.code))
    }
    let kind = ModelFolder(folder)
    isAdapter = kind == .adapter && identity.isDirectory
    if kind == .both {
      notes.append("\(folder): holds an adapter too, which was not looked at; loaders apply it with the model")
    }
    lookForLeftovers(entries)
    if isAdapter {
      try inspectAdapter()
    } else {
      try readConfig()
      try inspectModel(entries, indexName: identity.isDirectory ? nil : Paths.lastComponent(path))
      describeWeights()
      inspectAdapterTensors()
      inspectConfig()
    }
    try inspectData()
  }

  private mutating func describeWeights() {
    weights = StoredWeights(
      Checkpoint(
        path: path, opened: files.map { .init(name: $0.name, path: $0.path, header: $0.header) }, config: config))
    if let refusal = weights.refusal as? any ReportableError, !weights.weights.isEmpty {
      notes.append("the quantized weights cannot be merged into: \(refusal.message)")
    }
  }

  mutating func find(_ findingClass: String, _ name: String?, tensor: TensorName? = nil, _ message: String) {
    let file = name.map { name in folder.map { Paths.join($0, name) } ?? name } ?? path
    findings.append(Finding(findingClass, file: file, tensor: tensor, message))
  }

  /// An I/O error ends the inspection; a fault of a file is a finding.
  mutating func find(_ error: any ReportableError) throws {
    if error.category == .inputOutput { throw error }
    findings.append(Finding(error))
  }

  mutating func addFile(_ name: String, at path: String) throws {
    do throws(SafetensorsError) {
      files.append(File(name: name, path: path, header: try SafetensorsHeader(path: path)))
    } catch {
      try find(error)
    }
  }

  // MARK: - Leftovers

  private mutating func lookForLeftovers(_ entries: [String]) {
    for name in entries {
      if name == ResultMarks.incomplete {
        find("incomplete", name, "a merge into this folder was not finished")
      } else if name.hasSuffix(".tmp") || name.contains(".tmp.") || name.hasSuffix(".incomplete") {
        find("leftover", name, "is a temporary file that an interrupted program left")
      }
    }
    guard let folder else { return }
    let name = Paths.lastComponent(folder)
    let staging = Paths.join(Paths.folder(folder), ".\(name).safemerge")
    if !name.isEmpty, name != ".", name != "..", (try? SystemCalls.identity(path: staging)) != nil {
      notes.append("\(staging): a merge to this name was interrupted, and can be resumed")
    }
  }

  // MARK: - Adapters

  private mutating func inspectAdapter() throws {
    guard let folder else { return }
    do throws(AdapterError) {
      let adapter = try Adapter(folder: folder)
      files.append(
        File(name: Paths.lastComponent(adapter.weightsPath), path: adapter.weightsPath, header: adapter.header))
      notes += adapter.warnings + MergeWarning.unreadWeights([AdapterUse(adapter)]).map(\.message)
      notes += adapter.ignoredTensors.map {
        "\(adapter.weightsPath): \(adapter.header.tensors.name(at: $0.tensor)) is not needed for a merge"
      }
    } catch { try find(error) }
  }

  // MARK: - Models

  private mutating func readConfig() throws {
    guard let folder else { return }
    do throws(CheckpointError) { config = try Checkpoint.readConfig(Paths.join(folder, "config.json")) } catch {
      if error.problem == .notFound {
        notes.append("\(folder): there is no config.json; shapes were not compared with it")
      } else {
        try find(error)
      }
    }
  }

  private mutating func inspectModel(_ entries: [String], indexName: String?) throws {
    guard let folder else { return }
    var selected = indexName
    if selected == nil, case .string(let name)? = config?["transformers_weights"] {
      guard CheckpointIndex.staysInFolder(name) else {
        find("shard-name", "config.json", "transformers_weights names \"\(name)\", which is not in this folder")
        return
      }
      selected = name
    }
    let standardIndex = "model.safetensors.index.json"
    let hasSingle = entries.contains("model.safetensors")
    let indexes = entries.filter { $0.hasSuffix(".safetensors.index.json") }
    if let selected, !selected.hasSuffix(".index.json") {
      try addFile(selected, at: Paths.join(folder, selected))
    } else if let index = selected ?? (indexes.contains(standardIndex) ? standardIndex : nil) {
      if hasSingle, indexName == nil, try inspectStale(index) { return }
      try inspectIndex(index, entries)
    } else if hasSingle {
      try addFile("model.safetensors", at: Paths.join(folder, "model.safetensors"))
      for name in entries where Self.isShardName(name) {
        find("stale", name, "is a shard, and there is no index that names it")
      }
    } else {
      let names = entries.filter { $0.hasSuffix(".safetensors") }
      guard !names.isEmpty else {
        findings.append(Finding(CheckpointError(path: folder, .noWeights(others: []))))
        return
      }
      if try inspectUnindexed(entries) { return }
      for name in names { try addFile(name, at: Paths.join(folder, name)) }
    }
  }

  /// Inspects an index beside `model.safetensors`, which loaders prefer to shards.
  ///
  /// - Returns: Whether the index is unusable, so that the single file is the model.
  private mutating func inspectStale(_ name: String) throws -> Bool {
    guard let folder else { return false }
    let single = "model.safetensors"
    // Faults of the index itself are found when it is walked.
    guard let index = try? CheckpointIndex(path: Paths.join(folder, name)), !index.namesOnly(single) else {
      return false
    }
    if try index.shardNames.contains(where: { try exists(Paths.join(folder, $0)) }) {
      find(
        "stale", single,
        "stands beside \(name): programs load it in place of the shards; remove whichever is not meant")
      return false
    }
    find(
      "stale", name,
      "names \(index.shardNames.count) shards, of which none exists, beside \(single), which programs load; remove the "
        + "index")
    try addFile(single, at: Paths.join(folder, single))
    return true
  }

  func exists(_ path: String) throws -> Bool {
    do throws(SystemCalls.Failure) { return try SystemCalls.identity(path: path) != nil } catch {
      throw CheckpointError(path: path, .system(call: error.call, code: error.code))
    }
  }
}
