import ArgumentParser
import JSONText
import MergeEngine
import Platform
import Reports
import Synchronization

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The merge's progress: one line on standard error if it is a terminal, else one line per finished shard; with
/// `--json`, events.
final class ProgressLine: Sendable {
  enum Mode: String, CaseIterable, ExpressibleByArgument { case auto, always, never }

  private struct State {
    var lastTold: ContinuousClock.Instant?
    var isShown = false
  }

  private let draws: Bool
  private let reportsShards: Bool
  /// Nil for no events.
  private let events: EventStream?
  /// The interval between two of them; nil for none.
  private let interval: Duration?
  private let start = ContinuousClock.now
  private let state = Mutex(State())

  init(mode: Mode, isQuiet: Bool, events: EventStream?) {
    let isTerminal = StandardStreams.isTerminal(STDERR_FILENO)
    self.events = events
    let speaks = events == nil && !isQuiet
    draws = events == nil && mode == .always || mode == .auto && isTerminal && speaks
    reportsShards = mode == .auto && !isTerminal && speaks
    interval = events == nil ? .milliseconds(100) : mode == .never ? nil : .milliseconds(mode == .always ? 100 : 1000)
  }

  func update(_ progress: MergeProgress) {
    if let shard = progress.finishedShard {
      events?.shard(shard)
      if reportsShards, progress.shardsTotal > 1 {
        Diagnostics.write("shard    \(progress.shardsDone)/\(progress.shardsTotal)  \(shard.name.escapingUnprintable)")
      }
    }
    guard draws || events != nil, let interval else { return }
    state.withLock { state in
      let now = ContinuousClock.now
      if let last = state.lastTold, now - last < interval { return }
      state.lastTold = now
      let rate = TransferRate(
        done: progress.bytesDone - progress.bytesKept, left: progress.bytesTotal - progress.bytesDone,
        elapsed: now - start)
      if let events { return events.progress(progress, rate: rate) }
      state.isShown = true
      draw(Self.text(progress, rate, width: StandardStreams.terminalWidth - 1))
    }
  }

  /// Clears the line.
  func finish() {
    state.withLock { state in
      if state.isShown { draw("") }
      state.isShown = false
    }
  }

  private func draw(_ text: String) { _ = StandardStreams.write(Array("\r\u{1b}[2K\(text)".utf8), to: STDERR_FILENO) }

  /// - Parameter width: The maximum number of columns.
  static func text(_ progress: MergeProgress, _ rate: TransferRate, width: Int) -> String {
    let share = progress.bytesTotal == 0 ? 1 : Double(progress.bytesDone) / Double(progress.bytesTotal)
    let percent = String(
      progress.bytesTotal == 0 ? 100 : Int(Double(progress.bytesDone) * 100 / Double(progress.bytesTotal)))
    let figures =
      "\(String(repeating: " ", count: 3 - min(3, percent.count)))\(percent)%  "
      + "\(NumberText.bytes(progress.bytesDone)) of \(NumberText.bytes(progress.bytesTotal))  "
      + "\(NumberText.bytes(rate.bytesPerSecond))/s  "
      + "shard \(min(progress.shardsDone + 1, progress.shardsTotal))/\(progress.shardsTotal)  eta \(rate.timeLeft)"
    let barWidth = min(30, width - figures.count - 13)
    guard barWidth >= 10 else { return String("merging  \(figures)".prefix(max(0, width))) }
    let filled = Int(share * Double(barWidth - 1))
    let bar = String(repeating: "=", count: filled) + ">" + String(repeating: " ", count: barWidth - 1 - filled)
    return "merging  [\(bar)]  \(figures)"
  }
}
