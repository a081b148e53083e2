/// The speed of the work and the remaining time at that speed.
struct TransferRate: Sendable, Equatable {
  let bytesPerSecond: Int
  /// Nil before anything is done.
  let secondsLeft: Int?

  /// - Parameters:
  ///   - done: Bytes since the start, without resumed ones.
  ///   - left: Remaining bytes.
  init(done: Int, left: Int, elapsed: Duration) {
    let rate = Double(done) / max(elapsed.inSeconds, 1e-3)
    bytesPerSecond = Int(rate)
    // A time of years is not useful either.
    secondsLeft = rate >= 1 ? Int(min((Double(max(0, left)) / rate).rounded(.up), 1e9)) : nil
  }

  /// `0:06`, `1:02:03`; `-:--` if it is not known.
  var timeLeft: String {
    guard let secondsLeft else { return "-:--" }
    func digits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let (hours, minutes, seconds) = (secondsLeft / 3600, secondsLeft / 60 % 60, secondsLeft % 60)
    return hours > 0 ? "\(hours):\(digits(minutes)):\(digits(seconds))" : "\(minutes):\(digits(seconds))"
  }
}

extension Duration {
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
