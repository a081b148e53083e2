import Checkpoints
import Checksums
import MergePlanning
import Platform
import Safetensors
import Staging

/// The weight files that an earlier run completed, which are not written again.
struct FinishedShards {
  /// By the files' places in the plan.
  private(set) var finished: [Int: PartRecord] = [:]

  /// Nothing is there yet.
  init() {}

  /// Takes the files whose inputs are what they were, and whose checksums are known where they are wanted.
  init(
    _ staged: StagedOutput, _ plan: MergePlan, _ inputs: InputFiles, checksums: Bool, verification: Verification,
    _ interruption: Interruption
  ) throws {
    for (number, shard) in plan.shards.enumerated() {
      guard let record = staged.finished[shard.name], record.file.byteCount == shard.fileByteCount else { continue }
      let bases = inputs.baseInputs(ofShard: number)
      let states = inputs.states(bases)
      guard states.count == record.inputs.count else { continue }
      if checksums, record.file.checksum == nil || record.inputs.contains(where: { $0.checksum == nil }) { continue }
      var isUnchanged = true
      for (position, input) in bases.enumerated() where isUnchanged {
        isUnchanged = try record.inputs[position].holds(states[position]) { try inputs.checksum(input, interruption) }
      }
      guard isUnchanged else { continue }
      if verification == .read {
        let found = try FileChecksum.of(staged.path(ofPart: shard.name), drops: true, interruption: interruption)
        guard found == record.file.checksum else { continue }
      }
      for (input, state) in zip(bases, record.inputs) {
        if let checksum = state.checksum { inputs.learn(checksum, of: input) }
      }
      finished[number] = record
      inputs.skip(shard: number)
    }
  }
}
