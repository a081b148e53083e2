import Checkpoints
import MergePlanning
import Safetensors
import Synchronization

/// One weight file in the making: created by its first job, completed by its last.
final class ShardState: Sendable {
  /// A created file and what it shares with inputs.
  struct Output: Sendable {
    let file: OutputFile
    /// The shared part of each segment that has one, counted in its input.
    let shared: [Int: Range<Int>]
  }

  private let output = Mutex<Output?>(nil)
  private let remaining: Atomic<Int>

  init(jobCount: Int) { remaining = Atomic(jobCount) }

  /// The output's file, made now if it is not.
  func open(_ make: () throws -> Output) throws -> Output {
    try output.withLock { output in
      if let output { return output }
      let made = try make()
      output = made
      return made
    }
  }

  /// Says that one job is done; returns whether it was the last.
  func finishJob() -> Bool { remaining.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }

  /// Completes the file, when every job is done.
  ///
  /// - Parameter drops: Whether the file is then taken out of the page cache.
  func commit(_ staged: StagedOutput, drops: Bool) throws {
    let done = output.withLock { output in
      defer { output = nil }
      return output
    }
    guard let done else { return }
    try staged.commit(done.file)
    if drops { done.file.drop() }
  }
}
