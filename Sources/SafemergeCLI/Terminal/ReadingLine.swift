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
      draw(Self.text(done, of: total, elapsed: now - start, width: StandardStreams.width(STDERR_FILENO) - 1))
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

  static func text(_ done: Int, of total: Int, elapsed: Duration, width: Int) -> String {
    let rate = TransferRate(done: done, left: total - done, elapsed: elapsed)
    return ProgressBar(label: "reading", done: done, total: total, rate: rate).line(width: width)
  }
}
