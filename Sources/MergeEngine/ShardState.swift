import Checkpoints
import MergePlanning
import Safetensors
import Synchronization

/// One weight file in the making: created by its first job, completed by its last.
final class ShardState: Sendable {
  private let output = Mutex<OutputFile?>(nil)
  private let remaining: Atomic<Int>

  init(jobCount: Int) { remaining = Atomic(jobCount) }

  /// The output's file, created now if it is not.
  func open(_ shard: MergePlan.Shard, _ staged: StagedOutput) throws -> OutputFile {
    try output.withLock { output in
      if let output { return output }
      let made = try staged.createFile(shard.name, byteCount: shard.fileByteCount)
      output = made
      return made
    }
  }

  /// Says that one job is done; returns whether it was the last.
  func finishJob() -> Bool { remaining.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }

  /// Completes the file, when every job is done.
  func commit(_ staged: StagedOutput) throws {
    let done = output.withLock { output in
      defer { output = nil }
      return output
    }
    if let done { try staged.commit(done) }
  }
}
