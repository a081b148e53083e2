import Checkpoints
import MergePlanning
import Safetensors
import Synchronization

/// One weight file in the making: opened by its first job, completed by its last.
final class ShardState: Sendable {
  private struct Files {
    let source: MappedFile
    let output: OutputFile
  }

  private let files = Mutex<Files?>(nil)
  private let remaining: Atomic<Int>

  init(jobCount: Int) { remaining = Atomic(jobCount) }

  /// The base's file and the output's, opened now if they are not.
  func open(
    _ shard: MergePlan.Shard, _ plan: MergePlan, _ staged: StagedOutput
  ) throws -> (source: MappedFile, output: OutputFile) {
    try files.withLock { files in
      if let files { return (files.source, files.output) }
      let made = Files(
        source: try plan.inputs[shard.source].map(),
        output: try staged.createFile(shard.name, byteCount: shard.fileByteCount))
      files = made
      return (made.source, made.output)
    }
  }

  /// Says that one job is done; the last one completes the file. Returns whether this was it.
  func finishJob(_ staged: StagedOutput) throws -> Bool {
    guard remaining.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return false }
    guard let done = files.withLock({ files in
      defer { files = nil }
      return files
    }) else { return true }
    try done.source.file.checkUnchanged()
    try staged.commit(done.output)
    return true
  }
}
