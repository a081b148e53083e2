import Synchronization

/// Numbered jobs that threads take one after another, in order: the only job loop of this package.
///
/// If several jobs fail, the error of the first job in order is thrown, whatever the number of threads: the jobs before
/// one that fails are still done, later ones are not started. A job that was asked to stop counts as the first of all,
/// so that every thread stops with it.
package enum WorkQueue {
  private struct Failure {
    let job: Int
    let error: any Error
  }

  /// Runs `count` jobs with a worker per thread, which holds buffers, for example.
  ///
  /// - Parameters:
  ///   - workers: The maximum number of threads, at least 1.
  ///   - makeWorker: Makes the worker of a thread; called on that thread.
  ///   - body: Runs the job with a number.
  package static func run<Worker: ~Copyable>(
    _ count: Int, workers: Int, each makeWorker: @Sendable () -> Worker,
    _ body: @Sendable (_ job: Int, _ worker: inout Worker) throws -> Void
  ) throws {
    let next = Atomic<Int>(0)
    let failure = Mutex<Failure?>(nil)
    Threads.run(min(workers, count)) {
      var worker = makeWorker()
      while true {
        let job = next.add(1, ordering: .relaxed).oldValue
        guard job < count, failure.withLock({ $0.map { job < $0.job } ?? true }) else { return }
        do { try body(job, &worker) } catch {
          let place = error is Interrupted ? -1 : job
          failure.withLock { if $0.map({ place < $0.job }) ?? true { $0 = Failure(job: place, error: error) } }
        }
      }
    }
    if let failure = failure.withLock({ $0 }) { throw failure.error }
  }

  /// The worker of a thread that needs no state.
  @Sendable private static func nothing() {}

  /// Runs `count` jobs.
  package static func run(_ count: Int, workers: Int, _ body: @Sendable (_ job: Int) throws -> Void) throws {
    try run(count, workers: workers, each: nothing) { job, _ in try body(job) }
  }

  /// The results of `count` jobs, in order, with a worker per thread.
  package static func values<Worker: ~Copyable, Value: Sendable>(
    _ count: Int, workers: Int, each makeWorker: @Sendable () -> Worker,
    _ body: @Sendable (_ job: Int, _ worker: inout Worker) throws -> Value
  ) throws -> [Value] {
    let results = Mutex<[Value?]>(Array(repeating: nil, count: count))
    try run(count, workers: workers, each: makeWorker) { job, worker in
      let value = try body(job, &worker)
      results.withLock { $0[job] = value }
    }
    return results.withLock { $0.compactMap { $0 } }
  }

  /// The results of `count` jobs, in order.
  package static func values<Value: Sendable>(
    _ count: Int, workers: Int, _ body: @Sendable (_ job: Int) throws -> Value
  ) throws -> [Value] {
    try values(count, workers: workers, each: nothing) { job, _ in try body(job) }
  }

  /// Applies `transform` to each element, keeping the order.
  package static func map<Element: Sendable, Value: Sendable>(
    _ elements: [Element], workers: Int = Machine.processorCount,
    _ transform: @Sendable (Element) throws -> Value
  ) throws -> [Value] {
    try values(elements.count, workers: workers) { try transform(elements[$0]) }
  }
}
