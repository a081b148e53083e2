import Testing

@testable import SafemergeCLI

/// How long finishers wait.
@Suite struct FinisherWaitTests {
  /// What comes while a finisher sleeps for the last time must be found: it looks once more at the end.
  @Test func theLastLookIsAtTheEnd() {
    let start = ContinuousClock.now
    let wait = FinisherWait(1)
    #expect(wait.next())
    #expect(ContinuousClock.now - start >= .seconds(1))
    #expect(!wait.next())
  }

  @Test func nothingIsWaitedFor() {
    #expect(!FinisherWait(0).next())
    #expect(FinisherWait(nil).seconds == PartOptions.defaultWait)
  }

  /// A signal ends the wait at once.
  @Test func aSignalEndsTheWait() {
    let start = ContinuousClock.now
    #expect(!FinisherWait(3600).next { true })
    #expect(ContinuousClock.now - start < .seconds(60))
  }
}
