import Platform

/// How long a finisher waits for what other machines write.
struct FinisherWait {
  let seconds: Int
  private let end: ContinuousClock.Instant

  /// - Parameter seconds: What the user asked for; nil: ``PartOptions/defaultWait``.
  init(_ seconds: Int?) {
    self.seconds = seconds ?? PartOptions.defaultWait
    end = ContinuousClock.now + .seconds(self.seconds)
  }

  /// Waits until it is time to look again: two seconds, or less at the end.
  ///
  /// - Parameter isStopped: Asked all the time: true ends the wait.
  /// - Returns: False if there is no time left, or the wait was ended.
  func next(isStopped: () -> Bool = { false }) -> Bool {
    let now = ContinuousClock.now
    guard now < end else { return false }
    let next = min(now + .seconds(2), end)
    while ContinuousClock.now < next {
      if isStopped() { return false }
      Machine.sleep(milliseconds: 100)
    }
    return true
  }
}
