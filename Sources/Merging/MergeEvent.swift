import Dispatch
import MergeEngine
import Platform
import Synchronization

/// What happens in a merge that runs in the background.
public enum MergeEvent: Sendable, Equatable {
  case progress(MergeProgress)
  /// The result has its name; nothing comes behind it.
  case done(MergeOutcome)
}

extension MergeRequest {
  /// Prepares the merge and writes the result in the background; the last event is ``MergeEvent/done(_:)``.
  ///
  /// A consumer that is slower than the merge misses progress, never the end. Leaving the loop, or cancelling its task,
  /// stops the merge, and nothing is written. The stream throws what ``prepare()`` and ``PreparedMerge/run(progress:)``
  /// throw.
  public func events() -> AsyncThrowingStream<MergeEvent, any Error> {
    AsyncThrowingStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
      let isCancelled = CancellationFlag()
      continuation.onTermination = { reason in
        if case .cancelled = reason { isCancelled.set() }
      }
      var request = self
      let before = engine.interruption
      request.engine.interruption = Interruption { isCancelled.isSet || before.isAskedFor }
      DispatchQueue.global().async { [request] in
        do {
          let outcome = try request.prepare().run { continuation.yield(.progress($0)) }
          continuation.yield(.done(outcome))
          continuation.finish()
        } catch { continuation.finish(throwing: error) }
      }
    }
  }
}

private final class CancellationFlag: Sendable {
  private let flag = Atomic(false)
  var isSet: Bool { flag.load(ordering: .relaxed) }
  func set() { flag.store(true, ordering: .relaxed) }
}
