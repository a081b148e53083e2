import Platform
import Safetensors

/// Comparing an index with the headers of its shards.
extension Checkpoint {
  /// A tensor that the index places in a shard which lacks it may lie in a file that the index does not name: then it
  /// would be lost.
  static func checkNobodyHas(
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

  /// The shards in the order of the index's names, and whether each holds exactly the tensors that the index assigns to
  /// it.
  static func openShards(
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
  func findDisagreement(
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
      guard let location = location(of: entry.tensor) else {
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
