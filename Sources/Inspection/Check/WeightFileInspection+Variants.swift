import Checkpoints
import Platform
import Safetensors

extension WeightFileInspection {
  /// Looks at one of the variants of the weights of diffusers, or of a part of a pipeline.
  mutating func inspect(_ variant: ModelVariant) throws {
    guard let folder = model.folder else { return }
    let files = variant.files
    let shards = files.filter { !variant.indexes.contains($0) && $0 != variant.single }
    if let index = variant.indexes.first {
      try inspectIndex(index, shards)
      guard let single = variant.single else { return }
      let other = try? CheckpointIndex(path: Paths.join(folder, index))
      if other?.namesOnly(single) != true {
        log.find("stale", single, "lies beside \(index): programs do not agree which they load; remove one of the two")
      }
      return
    }
    if let single = variant.single {
      try model.addFile(single, at: Paths.join(folder, single), &log)
      for name in shards { log.find("stale", name, "is a shard, but no index lists it") }
      return
    }
    do throws(CheckpointError) {
      let names = try variant.completeShards(in: folder)
      log.notes.append(WeightSelection.unindexedWarning(names, folder: folder, variant.indexName))
    } catch {
      try log.find(error)
    }
    var places: [TensorName: String] = [:]
    for name in shards { _ = try addShard(name, &places) }
  }
}
