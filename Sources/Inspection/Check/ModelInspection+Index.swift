import Checkpoints
import JSONText
import Platform
import Safetensors

/// Models in several files, with and without an index.
extension ModelInspection {
  /// Inspects a complete set of shards without an index, which a merge accepts as the model.
  ///
  /// - Returns: Whether there is such a set.
  mutating func inspectUnindexed(_ entries: [String]) throws -> Bool {
    guard let folder else { return false }
    let shards: [String]
    do throws(CheckpointError) {
      guard let found = try WeightSelection.unindexedShards(entries, folder: folder) else {
        let first = entries.first(where: Self.isShardName)
        if let first { find("index", first, "is a shard, and there is no index that names it") }
        return false
      }
      shards = found
    } catch {
      try find(error)
      return false
    }
    notes.append(WeightSelection.unindexedWarning(shards, folder: folder))
    var shard: [TensorName: String] = [:]
    for name in shards { _ = try addShard(name, &shard) }
    noteOthers(entries, but: Set(shards), "none of them")
    return true
  }

  /// Opens a shard and reports tensors that another shard also has.
  ///
  /// - Returns: Its header; nil if it cannot be read, which is a finding.
  private mutating func addShard(_ name: String, _ places: inout [TensorName: String]) throws -> SafetensorsHeader? {
    guard let folder else { return nil }
    let count = files.count
    try addFile(name, at: Paths.join(folder, name))
    guard files.count > count, let header = files.last?.header else { return nil }
    for position in header.tensors.indices {
      let tensor = header.tensors.name(at: position)
      if let other = places.updateValue(name, forKey: tensor) {
        find("index", name, tensor: tensor, "is in \(other) too")
      }
    }
    return header
  }

  /// Whether it has a name that transformers gives to shards: `model-00001-of-00004.safetensors`.
  static func isShardName(_ name: String) -> Bool {
    guard name.hasPrefix("model"), name.hasSuffix(".safetensors") else { return false }
    let parts = name.dropLast(".safetensors".count).split(separator: "-")
    return parts.count >= 4 && parts[parts.count - 2] == "of"
      && [parts[parts.count - 1], parts[parts.count - 3]].allSatisfy { $0.count == 5 && $0.allSatisfy(\.isNumber) }
  }

  mutating func inspectIndex(_ name: String, _ entries: [String]) throws {
    guard let folder else { return }
    let index: CheckpointIndex
    do throws(CheckpointError) { index = try CheckpointIndex(path: Paths.join(folder, name)) } catch {
      try find(error)
      return
    }
    // The file of each tensor according to the headers.
    var places: [TensorName: String] = [:]
    var readable: Set<String> = []
    var dataByteCount = 0
    for shard in index.shardNames {
      let path = Paths.join(folder, shard)
      if try exists(path) == false {
        find("not-found", shard, "\(name) names it, and it does not exist")
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
        find("duplicate-key", name, tensor: entry.tensor, "stands twice in weight_map")
        continue
      }
      guard readable.contains(shard) else { continue }
      if let place = places[entry.tensor] {
        if !Paths.areEqual(place, shard) {
          find("index", name, tensor: entry.tensor, "weight_map places it in \(shard), and it is in \(place)")
        }
      } else {
        ghosts.append((entry.tensor, shard))
      }
    }
    inspectGhosts(ghosts, name, entries, named: Set(index.shardNames))
    for (tensor, shard) in places.sorted(by: { $0.key < $1.key }) where !indexed.contains(tensor) {
      find("index", name, tensor: tensor, "is in \(shard), and not in weight_map")
    }
    if readable.count == index.shardNames.count { checkTotalSize(index, name, dataByteCount) }
    noteOthers(entries, but: Set(index.shardNames), name)
  }

  /// Weight files that are not part of the model.
  private mutating func noteOthers(_ entries: [String], but named: Set<String>, _ index: String) {
    guard let folder else { return }
    for entry in entries where entry.hasSuffix(".safetensors") && !named.contains(entry) && entry != "model.safetensors"
    {
      if Self.isShardName(entry) {
        find("stale", entry, "is a shard that \(index) does not name")
      } else {
        notes.append("\(Paths.join(folder, entry)): \(index) does not name it; not looked at")
      }
    }
  }

  /// Tensors that an index names and its shards do not have: loaders ignore them, unless they are in a file that the
  /// index does not name.
  private mutating func inspectGhosts(
    _ ghosts: [(tensor: TensorName, shard: String)], _ name: String, _ entries: [String], named: Set<String>
  ) {
    guard let folder, !ghosts.isEmpty else { return }
    var owners: [TensorName: String] = [:]
    for entry in entries where entry.hasSuffix(".safetensors") && !named.contains(entry) {
      guard let header = try? SafetensorsHeader(path: Paths.join(folder, entry)) else { continue }
      for position in header.tensors.indices { owners[header.tensors.name(at: position)] = entry }
    }
    for (tensor, shard) in ghosts {
      guard let owner = owners[tensor] else { continue }
      find("index", name, tensor: tensor, "weight_map places it in \(shard), and it is in \(owner)")
    }
    let lost = ghosts.map(\.tensor).filter { owners[$0] == nil }
    if !lost.isEmpty { notes.append(CheckpointIndex.ghostWarning(lost, indexPath: Paths.join(folder, name))) }
  }

  private mutating func checkTotalSize(_ index: CheckpointIndex, _ name: String, _ byteCount: Int) {
    guard let member = index.metadata.first(where: { $0.key == "total_size" }) else {
      notes.append("\(path): \(name) has no total_size")
      return
    }
    let found: Double
    switch member.value {
    case .integer(let count): found = Double(count)
    case .real(let count): found = count
    default: found = -1
    }
    if found != Double(byteCount) {
      find("index", name, "total_size is not the size of the tensors, \(byteCount) bytes")
    }
  }
}
