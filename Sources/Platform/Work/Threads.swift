import CSystem

/// Work on several threads. It never waits for a thread that the system cannot create: if a process limit allows none,
/// all work is done on the caller's thread.
package enum Threads {
  /// Enough for the deepest recursion, which is parsing nested JSON.
  private static let stackByteCount = 4 << 20

  private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// Calls `body` on up to `count` threads at once, including the caller's; returns when every call has returned.
  ///
  /// The number of calls depends on the system, so each call takes its next piece of work from a shared queue.
  package static func run(_ count: Int, _ body: @Sendable () -> Void) {
    guard count > 1 else { return body() }
    withoutActuallyEscaping(body) { body in
      let work = Work(body)
      _ = unsafe cth_run(
        Int32(clamping: count), stackByteCount,
        { context in
          guard let context = unsafe context else { return }
          unsafe Unmanaged<Work>.fromOpaque(context).takeUnretainedValue().body()
        }, Unmanaged.passUnretained(work).toOpaque())
      withExtendedLifetime(work) {}
    }
  }
}
