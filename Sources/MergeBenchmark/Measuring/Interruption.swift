import Synchronization

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// SIGINT and SIGTERM end a benchmark between two steps, so that its files, which may be large, are removed.
enum Interruption {
  private static let isRequested = Atomic<Bool>(false)

  /// Has the signals noted. Programs that are started are not affected: they get the usual reaction.
  static func install() {
    // A handler must not be the one to make the variable.
    isRequested.store(false, ordering: .relaxed)
    for number in [SIGINT, SIGTERM] {
      signal(number) { _ in Interruption.isRequested.store(true, ordering: .relaxed) }
    }
  }

  static func check() throws(BenchmarkError) {
    if isRequested.load(ordering: .relaxed) { throw .interrupted }
  }
}
