import MergeEngine
import Platform
import Reports
import Synchronization

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// One line on a terminal's standard error with the number of bytes read.
final class ReadingLine: Sendable {
  private let total: Int
  private let draws: Bool
  private let start = ContinuousClock.now
  private let done = Atomic(0)
  private let lastDrawn = Mutex<ContinuousClock.Instant?>(nil)

  init(byteCount: Int, mode: ProgressLine.Mode) {
    total = byteCount
    draws = mode == .always || (mode == .auto && StandardStreams.isTerminal(STDERR_FILENO))
  }

  func add(_ byteCount: Int) {
    let done = done.wrappingAdd(byteCount, ordering: .relaxed).newValue
    guard draws else { return }
    lastDrawn.withLock { last in
      let now = ContinuousClock.now
      if now - (last ?? start) < .milliseconds(100) { return }
      last = now
      let text = Self.text(done, of: total, elapsed: now - start)
      draw(String(text.prefix(max(0, StandardStreams.terminalWidth - 1))))
    }
  }

  /// Clears the line.
  func finish() {
    lastDrawn.withLock { last in
      if last != nil { draw("") }
      last = nil
    }
  }

  private func draw(_ text: String) { _ = StandardStreams.write(Array("\r\u{1b}[2K\(text)".utf8), to: STDERR_FILENO) }

  static func text(_ done: Int, of total: Int, elapsed: Duration) -> String {
    let rate = TransferRate(done: done, left: total - done, elapsed: elapsed)
    let percent = total == 0 ? 100 : Int(Double(done) * 100 / Double(total))
    return "reading  \(percent)%  \(NumberText.bytes(done)) of \(NumberText.bytes(total))  "
      + "\(NumberText.bytes(rate.bytesPerSecond))/s  eta \(rate.timeLeft)"
  }
}
