import Platform
import Safetensors
import Synchronization
import Testing

@Suite struct WorkQueueTests {
  private struct Failure: Error, Equatable { let number: Int }

  @Test(arguments: [1, 2, 7, 1000]) func keepsTheOrderAndTakesTheFirstError(workers: Int) throws {
    let numbers = Array(0..<200)
    #expect(try WorkQueue.map(numbers, workers: workers) { $0 * 2 } == numbers.map { $0 * 2 })
    #expect(try WorkQueue.map([Int](), workers: workers) { $0 } == [])
    #expect(throws: Failure(number: 30)) {
      try WorkQueue.map(numbers, workers: workers) { if $0 >= 30 { throw Failure(number: $0) } }
    }
  }

  /// The jobs before the first that fails are done, whichever thread fails first.
  @Test(arguments: [1, 2, 7]) func doesWhatComesBeforeTheFirstError(workers: Int) {
    let done = Mutex<Set<Int>>([])
    #expect(throws: Failure(number: 30)) {
      try WorkQueue.run(200, workers: workers) { job in
        if job >= 30 { throw Failure(number: job) }
        done.withLock { _ = $0.insert(job) }
      }
    }
    #expect(done.withLock { $0 } == Set(0..<30))
  }

  /// A thread that is asked to stop has all stop, whatever failed before in the order of the jobs.
  @Test func aRequestToStopWins() {
    let isAsked = Atomic<Bool>(false)
    #expect(throws: Interrupted.self) {
      try WorkQueue.run(2, workers: 2) { job in
        if job == 1 {
          isAsked.store(true, ordering: .sequentiallyConsistent)
          throw Interrupted()
        }
        var turns = 0
        while !isAsked.load(ordering: .sequentiallyConsistent), turns < 1_000_000 { turns += 1 }
        // On one thread this job is over before the other begins.
        if isAsked.load(ordering: .sequentiallyConsistent) { throw Failure(number: 0) }
      }
    }
  }

  /// What a thread has of its own is made once a thread and kept from job to job.
  @Test(arguments: [1, 3]) func eachThreadHasItsOwn(workers: Int) throws {
    let made = Atomic<Int>(0)
    let makeList: @Sendable () -> [Int] = {
      made.add(1, ordering: .relaxed)
      return []
    }
    let counts = try WorkQueue.values(100, workers: workers, each: makeList) { job, jobs in
      jobs.append(job)
      return jobs.count
    }
    let threads = made.load(ordering: .relaxed)
    #expect((1...workers).contains(threads))
    #expect(counts.count == 100 && counts.count { $0 == 1 } <= threads)
  }

  /// Everything is done before it comes back, by at most as many calls as were asked for.
  @Test(arguments: [0, 1, 4]) func allCallsHaveEnded(count: Int) {
    let calls = Atomic<Int>(0)
    Threads.run(count) { calls.add(1, ordering: .relaxed) }
    #expect((1...max(1, count)).contains(calls.load(ordering: .relaxed)))
  }
}
