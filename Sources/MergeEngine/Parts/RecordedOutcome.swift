import Checksums
import MergePlanning
import Platform
import Staging

/// The findings of a whole merge, from the records of its parts.
struct RecordedOutcome {
  let plan: MergePlan
  /// Whether statistics are wanted.
  let hasStatistics: Bool

  /// - Parameters:
  ///   - records: Those of all weight files, by their places in the plan.
  ///   - checksums: Of the weight files, where they are wanted.
  /// - Throws: `MergeError` with `inconsistentPlan` for a record about a tensor that the plan does not compute.
  func outcome(
    _ records: [Int: ShardRecord], checksums: [Int: SHA256Checksum]
  ) throws -> MergeEngine.Outcome {
    var findings: [(tensor: ComputedTensor, found: TensorFindings)] = []
    for (number, shard) in plan.shards.enumerated() {
      for recorded in records[number]?.findings.tensors ?? [] {
        guard shard.tensors.indices.contains(recorded.place), let tensor = shard.tensors[recorded.place].computed else {
          throw MergeError(path: shard.name, tensor: nil, .inconsistentPlan("a record is about another tensor"))
        }
        findings.append((tensor, TensorFindings(recorded, hasStatistics: hasStatistics)))
      }
    }
    let shards = plan.shards.enumerated().map { number, shard in
      WrittenShard(name: shard.name, byteCount: shard.fileByteCount, checksum: checksums[number], isKept: true)
    }
    return MergeEngine.Outcome(plan, findings, shards: shards, keptByteCount: 0)
  }
}
