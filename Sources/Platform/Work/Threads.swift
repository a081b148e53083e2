import CSystem

/// Work on several threads. It never waits for a thread that the system will not make: where a limit of processes allows
/// none, everything is done on the caller's.
package enum Threads {
  /// Enough for the deepest recursion of this package's work, which is the reading of nested JSON.
  private static let stackByteCount = 4 << 20

  private final class Work: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// Calls `body` on up to `count` threads at once, the caller's among them; returns when every call has.
  ///
  /// How many calls there are is the system's choice, so that each takes its next piece of work from the others.
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
