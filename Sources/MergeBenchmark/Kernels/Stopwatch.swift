#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// Times short work of one thread in batches, in turn with what it is compared with.
struct Stopwatch {
  /// Batches of each.
  let batches: Int
  /// How long a batch lasts at least.
  let batchSeconds: Double

  /// What was measured, in seconds a call.
  struct Result {
    let work: Distribution
    let reference: Distribution
    /// The reference's time over the work's, batch by batch: 1 if the work is as fast.
    let share: Distribution
  }

  /// - Parameters:
  ///   - work: One call of what is measured.
  ///   - reference: One call of what the same amount of work takes at best.
  func compare(_ work: () throws -> Void, with reference: () throws -> Void) throws -> Result {
    let workCalls = try calls(work)
    let referenceCalls = try calls(reference)
    var workSeconds: [Double] = []
    var referenceSeconds: [Double] = []
    for _ in 0..<batches {
      referenceSeconds.append(try seconds(referenceCalls, reference))
      workSeconds.append(try seconds(workCalls, work))
    }
    let (one, other) = (Distribution(workSeconds), Distribution(referenceSeconds))
    return Result(work: one, reference: other, share: .ratios(other, one))
  }

  /// Calls that fill a batch.
  private func calls(_ body: () throws -> Void) throws -> Int {
    var count = 1
    while true {
      let spent = try seconds(count, body) * Double(count)
      if spent >= batchSeconds { return count }
      // The first calls, on cold caches, say little: the number grows in steps.
      count = max(count + 1, min(count * 8, Int(Double(count) * batchSeconds / max(spent, 1e-9) * 1.1)))
    }
  }

  /// Seconds a call.
  private func seconds(_ calls: Int, _ body: () throws -> Void) throws -> Double {
    try Interruption.check()
    let start = Self.threadSeconds
    for _ in 0..<calls { try body() }
    return (Self.threadSeconds - start) / Double(calls)
  }

  /// The processor time of this thread: what other programs take of the processor does not count.
  private static var threadSeconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
