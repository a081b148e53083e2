import Platform
import Safetensors
import Synchronization
import Testing

@Suite struct ThreadsTests {
  private struct Failure: Error, Equatable { let number: Int }

  @Test(arguments: [1, 2, 7, 1000]) func keepsTheOrderAndTakesTheFirstError(workers: Int) throws {
    let numbers = Array(0..<200)
    #expect(try Threads.map(numbers, workers: workers) { $0 * 2 } == numbers.map { $0 * 2 })
    #expect(try Threads.map([Int](), workers: workers) { $0 } == [])
    #expect(throws: Failure(number: 30)) {
      try Threads.map(numbers, workers: workers) { if $0 >= 30 { throw Failure(number: $0) } }
    }
  }

  /// Everything is done before it comes back, by at most as many calls as were asked for.
  @Test(arguments: [0, 1, 4]) func allCallsHaveEnded(count: Int) {
    let calls = Atomic<Int>(0)
    Threads.run(count) { calls.add(1, ordering: .relaxed) }
    #expect((1...max(1, count)).contains(calls.load(ordering: .relaxed)))
  }
}
