import Checkpoints
import JSONText
import Platform
import Safetensors

/// Finds the weight files of a model in a folder, with and without an index.
struct WeightFileInspection {
  /// With the files that were found.
  var model: InspectedModel
  var log: FindingLog
  /// Whether the folder is that of a pipeline's part, where every variant is looked at.
  private let isPart: Bool

  init(_ model: InspectedModel, _ log: FindingLog, isPart: Bool = false) {
    self.model = model
    self.log = log
    self.isPart = isPart
  }

  /// Reads config.json.
  mutating func readConfig() throws {
    guard let folder = model.folder else { return }
    do throws(CheckpointError) { model.config = try Checkpoint.readConfig(Paths.join(folder, "config.json")) } catch {
      if error.problem == .notFound {
        log.notes.append("\(folder): no config.json; shapes were not compared with it")
      } else {
        try log.find(error)
      }
    }
  }

  /// Finds the weight files of a folder, by its index where it has one.
  mutating func inspect(_ entries: [String], indexName: String?) throws {
    guard let folder = model.folder else { return }
    let variants = ModelVariant.find(entries, isOfDiffusers: model.config?["_class_name"] != nil)
    if indexName == nil, let first = variants.first, first.stem != "model" || isPart {
      for variant in variants { try inspect(variant) }
      return
    }
    var selected = indexName
    if selected == nil, case .string(let name)? = model.config?["transformers_weights"] {
      guard CheckpointIndex.staysInFolder(name) else {
        log.find("shard-name", "config.json", "transformers_weights is \"\(name)\", which is outside this folder")
        return
      }
      selected = name
    }
    let standardIndex = "model.safetensors.index.json"
    let hasSingle = entries.contains("model.safetensors")
    let indexes = entries.filter { $0.hasSuffix(".safetensors.index.json") }
    if let selected, !selected.hasSuffix(".index.json") {
      try model.addFile(selected, at: Paths.join(folder, selected), &log)
    } else if let index = selected ?? (indexes.contains(standardIndex) ? standardIndex : nil) {
      if hasSingle, indexName == nil, try inspectStale(index) { return }
      try inspectIndex(index, entries)
    } else if hasSingle {
      try model.addFile("model.safetensors", at: Paths.join(folder, "model.safetensors"), &log)
      for name in entries where Self.isShardName(name) {
        log.find("stale", name, "is a shard, but no index lists it")
      }
    } else {
      let names = entries.filter { $0.hasSuffix(".safetensors") }
      guard !names.isEmpty else {
        log.findings.append(Finding(CheckpointError(path: folder, .noWeights(others: []))))
        return
      }
      if try inspectUnindexed(entries) { return }
      for name in names { try model.addFile(name, at: Paths.join(folder, name), &log) }
    }
  }

  /// Looks at an index next to `model.safetensors`, which programs load in place of shards.
  ///
  /// - Returns: Whether the index is of no use, so that the one file is the model.
  private mutating func inspectStale(_ name: String) throws -> Bool {
    guard let folder = model.folder else { return false }
    let single = "model.safetensors"
    // What is wrong with the index itself is found where it is gone through.
    guard let index = try? CheckpointIndex(path: Paths.join(folder, name)), !index.namesOnly(single) else {
      return false
    }
    if try index.shardNames.contains(where: { try exists(Paths.join(folder, $0)) }) {
      log.find(
        "stale", single,
        "lies beside \(name): programs load it instead of the shards; remove one of the two")
      return false
    }
    log.find(
      "stale", name,
      "lists \(index.shardNames.count) shards, none of which exists; programs load \(single); remove the index")
    try model.addFile(single, at: Paths.join(folder, single), &log)
    return true
  }

  /// Looks at a complete set of shards without an index, which a merge takes for the model.
  ///
  /// - Returns: Whether there is one.
  private mutating func inspectUnindexed(_ entries: [String]) throws -> Bool {
    guard let folder = model.folder else { return false }
    let shards: [String]
    do throws(CheckpointError) {
      guard let found = try WeightSelection.unindexedShards(entries, folder: folder) else {
        let first = entries.first(where: Self.isShardName)
        if let first { log.find("index", first, "is a shard, but no index lists it") }
        return false
      }
      shards = found
    } catch {
      try log.find(error)
      return false
    }
    log.notes.append(WeightSelection.unindexedWarning(shards, folder: folder))
    var shard: [TensorName: String] = [:]
    for name in shards { _ = try addShard(name, &shard) }
    noteOthers(entries, but: Set(shards), "no index")
    return true
  }

  /// Opens a shard and says which of its tensors another one has.
  ///
  /// - Returns: Its header; nil where it cannot be read, which is a finding.
  mutating func addShard(_ name: String, _ places: inout [TensorName: String]) throws -> SafetensorsHeader? {
    guard let folder = model.folder else { return nil }
    let count = model.files.count
    try model.addFile(name, at: Paths.join(folder, name), &log)
    guard model.files.count > count, let header = model.files.last?.header else { return nil }
    for position in header.tensors.indices {
      let tensor = header.tensors.name(at: position)
      if let other = places.updateValue(name, forKey: tensor) {
        log.find("index", name, tensor: tensor, "is also in \(other)")
      }
    }
    return header
  }

  /// Whether it is named as transformers names the shards of a model: `model-00001-of-00004.safetensors`.
  private static func isShardName(_ name: String) -> Bool {
    guard name.hasPrefix("model"), name.hasSuffix(".safetensors") else { return false }
    let parts = name.dropLast(".safetensors".count).split(separator: "-")
    return parts.count >= 4 && parts[parts.count - 2] == "of"
      && [parts[parts.count - 1], parts[parts.count - 3]].allSatisfy { $0.count == 5 && $0.allSatisfy(\.isNumber) }
  }

  mutating func inspectIndex(_ name: String, _ entries: [String]) throws {
    guard let folder = model.folder else { return }
    let index: CheckpointIndex
    do throws(CheckpointError) { index = try CheckpointIndex(path: Paths.join(folder, name)) } catch {
      try log.find(error)
      return
    }
    // Where each tensor is, by the headers.
    var places: [TensorName: String] = [:]
    var readable: Set<String> = []
    var dataByteCount = 0
    for shard in index.shardNames {
      let path = Paths.join(folder, shard)
      if try exists(path) == false {
        log.find("not-found", shard, "is missing; \(name) lists it")
        continue
      }
      guard let header = try addShard(shard, &places) else { continue }
      readable.insert(shard)
      dataByteCount += header.dataByteCount
    }
    var ghosts: [(tensor: TensorName, shard: String)] = []
    var indexed: Set<TensorName> = []
    for entry in index.weightMap {
      let shard = index.shardNames[entry.shard]
      if !indexed.insert(entry.tensor).inserted {
        log.find("duplicate-key", name, tensor: entry.tensor, "occurs twice in weight_map")
        continue
      }
      guard readable.contains(shard) else { continue }
      if let place = places[entry.tensor] {
        if !Paths.areEqual(place, shard) {
          log.find("index", name, tensor: entry.tensor, "weight_map places it in \(shard), but it is in \(place)")
        }
      } else {
        ghosts.append((entry.tensor, shard))
      }
    }
    inspectGhosts(ghosts, name, entries, named: Set(index.shardNames))
    for (tensor, shard) in places.sorted(by: { $0.key < $1.key }) where !indexed.contains(tensor) {
      log.find("index", name, tensor: tensor, "is in \(shard), but not in weight_map")
    }
    if readable.count == index.shardNames.count { checkTotalSize(index, name, dataByteCount) }
    noteOthers(entries, but: Set(index.shardNames), name)
  }

  /// Weight files beside those that are the model.
  private mutating func noteOthers(_ entries: [String], but named: Set<String>, _ index: String) {
    guard let folder = model.folder else { return }
    for entry in entries where entry.hasSuffix(".safetensors") && !named.contains(entry) && entry != "model.safetensors"
    {
      if Self.isShardName(entry) {
        log.find("stale", entry, "is a shard that \(index) does not list")
      } else {
        log.notes.append("\(Paths.join(folder, entry)): \(index) does not list it; not checked")
      }
    }
  }

  /// Tensors that an index names and its shards don't have: loaders do without them, unless they lie in a file that the index
  /// does not name.
  private mutating func inspectGhosts(
    _ ghosts: [(tensor: TensorName, shard: String)], _ name: String, _ entries: [String], named: Set<String>
  ) {
    guard let folder = model.folder, !ghosts.isEmpty else { return }
    var owners: [TensorName: String] = [:]
    for entry in entries where entry.hasSuffix(".safetensors") && !named.contains(entry) {
      guard let header = try? SafetensorsHeader(path: Paths.join(folder, entry)) else { continue }
      for position in header.tensors.indices { owners[header.tensors.name(at: position)] = entry }
    }
    for (tensor, shard) in ghosts {
      guard let owner = owners[tensor] else { continue }
      log.find("index", name, tensor: tensor, "weight_map places it in \(shard), but it is in \(owner)")
    }
    let lost = ghosts.map(\.tensor).filter { owners[$0] == nil }
    if !lost.isEmpty { log.notes.append(CheckpointIndex.ghostWarning(lost, indexPath: Paths.join(folder, name))) }
  }

  private mutating func checkTotalSize(_ index: CheckpointIndex, _ name: String, _ byteCount: Int) {
    guard let member = index.metadata.first(where: { $0.key == "total_size" }) else {
      log.notes.append("\(model.path): \(name) has no total_size")
      return
    }
    let found: Double
    switch member.value {
    case .integer(let count): found = Double(count)
    case .real(let count): found = count
    default: found = -1
    }
    if found != Double(byteCount) {
      log.find("index", name, "total_size is wrong: the tensors have \(NumberText.grouped(byteCount)) bytes")
    }
  }

  private func exists(_ path: String) throws -> Bool {
    do throws(SystemCalls.Failure) { return try SystemCalls.identity(path: path) != nil } catch {
      throw CheckpointError(path: path, .system(call: error.call, code: error.code))
    }
  }
}
