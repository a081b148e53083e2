import ArgumentParser
import JSONText
import MergeEngine
import Synchronization

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// One line on standard error that says how far the merge is; where there is no terminal, one line a finished shard.
final class ProgressLine: Sendable {
  enum Mode: String, CaseIterable, ExpressibleByArgument { case auto, always, never }

  private struct State {
    var lastDrawn: ContinuousClock.Instant?
    var isShown = false
  }

  private let draws: Bool
  private let reportsShards: Bool
  private let start = ContinuousClock.now
  private let state = Mutex(State())

  init(mode: Mode, isQuiet: Bool) {
    let isTerminal = Descriptors.isTerminal(STDERR_FILENO)
    draws = mode == .always || (mode == .auto && isTerminal && !isQuiet)
    reportsShards = mode == .auto && !isTerminal && !isQuiet
  }

  func update(_ progress: MergeProgress) {
    if reportsShards, let name = progress.finishedShard, progress.shardsTotal > 1 {
      Diagnostics.write("shard    \(progress.shardsDone)/\(progress.shardsTotal)  \(name.escapingUnprintable)")
    }
    guard draws else { return }
    state.withLock { state in
      let now = ContinuousClock.now
      if let last = state.lastDrawn, now - last < .milliseconds(100) { return }
      state.lastDrawn = now
      state.isShown = true
      draw(Self.text(progress, elapsed: now - start, width: Descriptors.terminalWidth - 1))
    }
  }

  /// Clears the line.
  func finish() {
    state.withLock { state in
      if state.isShown { draw("") }
      state.isShown = false
    }
  }

  private func draw(_ text: String) { _ = Descriptors.write(Array("\r\u{1b}[2K\(text)".utf8), to: STDERR_FILENO) }

  static func text(_ progress: MergeProgress, elapsed: Duration, width: Int) -> String {
    let seconds = max(Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18, 1e-3)
    let share = progress.bytesTotal == 0 ? 1 : Double(progress.bytesDone) / Double(progress.bytesTotal)
    let rate = Double(progress.bytesDone) / seconds
    let left = rate > 0 ? Int(Double(progress.bytesTotal - progress.bytesDone) / rate) : 0
    let percent = String(Int(share * 100))
    let figures =
      "\(String(repeating: " ", count: 3 - min(3, percent.count)))\(percent)%  "
      + "\(Quantities.bytes(progress.bytesDone)) of \(Quantities.bytes(progress.bytesTotal))  "
      + "\(Quantities.bytes(Int(rate)))/s  shard \(min(progress.shardsDone + 1, progress.shardsTotal))"
      + "/\(progress.shardsTotal)  eta \(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60)"
    let barWidth = min(30, width - figures.count - 13)
    guard barWidth >= 10 else { return String("merging  \(figures)".prefix(max(0, width))) }
    let filled = Int(share * Double(barWidth - 1))
    let bar = String(repeating: "=", count: filled) + ">" + String(repeating: " ", count: barWidth - 1 - filled)
    return "merging  [\(bar)]  \(figures)"
  }
}
