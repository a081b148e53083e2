import Synchronization

/// Numbered jobs that threads take one after another.
final class WorkQueue: Sendable {
  private let count: Int
  private let next = Atomic<Int>(0)
  private let failure = Mutex<(job: Int, error: any Error)?>(nil)

  init(count: Int) { self.count = count }

  /// - Throws: The error of the first job, in order, that failed.
  func run(workers: Int, _ body: @Sendable (Int) throws -> Void) throws {
    Threads.run(min(workers, count)) {
      while true {
        let job = next.add(1, ordering: .relaxed).oldValue
        guard job < count, failure.withLock({ $0.map { job < $0.job } ?? true }) else { return }
        do { try body(job) } catch {
          failure.withLock { failure in
            if failure.map({ job < $0.job }) ?? true { failure = (job, error) }
          }
        }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
  }
}

/// Does numbered jobs on several threads, in their order.
///
/// - Throws: The error of the first job, in order, that failed.
package func concurrently(_ count: Int, workers: Int, _ body: @Sendable (Int) throws -> Void) throws {
  try WorkQueue(count: count).run(workers: workers, body)
}
