/// Measures the steps of a command.
struct StepClock {
  private let start = ContinuousClock.now
  private var last = ContinuousClock.now
  private var steps: [(name: String, duration: Duration)] = []

  /// Since the start.
  var duration: Duration { ContinuousClock.now - start }

  /// Ends the step that began when the previous one ended.
  mutating func finish(_ name: String) {
    let now = ContinuousClock.now
    steps.append((name, now - last))
    last = now
  }

  /// `time      headers 0.012 s, plan 0.003 s`.
  var line: String {
    let parts = steps.map { step in
      let milliseconds = Int((step.duration.inSeconds * 1000).rounded())
      let fraction = String(1000 + milliseconds % 1000).dropFirst()
      return "\(step.name) \(milliseconds / 1000).\(fraction) s"
    }
    return LabeledLine.text("time", parts.joined(separator: ", "))
  }
}
