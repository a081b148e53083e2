import Checkpoints
import MergePlanning
import Platform
import Safetensors
import Staging
import Synchronization

/// One weight file in the making: created by its first job, completed by its last.
final class ShardState: Sendable {
  /// A created file and what it shares with inputs.
  struct Output: Sendable {
    let part: StagedOutput.Part
    /// The shared part of each segment that has one, counted in its input.
    let shared: [Int: Range<Int>]

    var file: OutputFile { part.file }
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

  /// Lets go of the file, when every job is done, for it to be completed.
  func take() -> Output? {
    output.withLock { output in
      defer { output = nil }
      return output
    }
  }

  /// Leaves what is done of an incomplete file to the next run; returns how many bytes that are.
  func keep() -> Int {
    guard let part = take()?.part, let count = try? part.journal?.close(), count > 0 else { return 0 }
    part.file.keep()
    return count
  }
}
