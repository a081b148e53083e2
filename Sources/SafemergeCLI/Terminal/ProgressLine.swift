import AdapterWriting
import ArgumentParser
import JSONText
import MergeEngine
import Platform
import Synchronization

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

/// The progress of a merge, or of making an adapter: one line on standard error if it is a terminal, else a line of a log now and then; with `--json`,
/// events.
final class ProgressLine: Sendable {
  enum Mode: String, CaseIterable, ExpressibleByArgument { case auto, always, never }

  /// What is written on standard error.
  enum Form: Sendable, Equatable {
    case nothing
    /// One line, drawn again and again.
    case line
    /// A line every ten seconds, or when another 5 % are done, but none within a second of the last.
    case log
  }

  private struct State {
    var lastTold: ContinuousClock.Instant?
    /// The bytes in the log's last line.
    var lastLogged = 0
    var isShown = false
  }

  private static let (logInterval, leastLogInterval) = (Duration.seconds(10), Duration.seconds(1))
  private static let logSteps = 20

  private let form: Form
  private let namesShards: Bool
  /// Nil for no events.
  private let events: EventStream?
  /// The interval between two events; nil for none.
  private let interval: Duration?
  private let now: @Sendable () -> ContinuousClock.Instant
  private let write: @Sendable (String) -> Void
  private let start: ContinuousClock.Instant
  private let state = Mutex(State())

  /// - Parameters:
  ///   - namesShards: Whether to print a line for each finished weight file.
  ///   - events: Gets the events in place of lines.
  convenience init(mode: Mode, isQuiet: Bool, namesShards: Bool, events: EventStream?) {
    let isTerminal = StandardStreams.isTerminal(STDERR_FILENO)
    let form: Form =
      events != nil || mode == .never || (isQuiet && mode == .auto)
      ? .nothing : mode == .always || isTerminal ? .line : .log
    let interval: Duration? =
      events == nil || mode == .never ? nil : .milliseconds(mode == .always ? 100 : 1000)
    self.init(
      form, namesShards: namesShards && !isQuiet && events == nil, events: events, interval: interval,
      now: { ContinuousClock.now }, write: { _ = StandardStreams.write(Array($0.utf8), to: STDERR_FILENO) })
  }

  /// - Parameters:
  ///   - now: The clock.
  ///   - write: Writes on standard error.
  init(
    _ form: Form, namesShards: Bool, events: EventStream? = nil, interval: Duration? = nil,
    now: @escaping @Sendable () -> ContinuousClock.Instant, write: @escaping @Sendable (String) -> Void
  ) {
    self.form = form
    self.namesShards = namesShards
    self.events = events
    self.interval = interval
    self.now = now
    self.write = write
    start = now()
  }

  func update(_ progress: MergeProgress) {
    if let shard = progress.finishedShard {
      events?.shard(shard)
      if namesShards, progress.shardsTotal > 1 {
        finish()
        let count = "\(progress.shardsDone)/\(progress.shardsTotal)"
        write(LabeledLine.text("shard", "\(count)  \(shard.name.escapingUnprintable)") + "\n")
      }
    }
    let work = Work(
      label: "merging", done: progress.bytesDone, total: progress.bytesTotal, kept: progress.bytesKept,
      part: "shard \(min(progress.shardsDone + 1, progress.shardsTotal))/\(progress.shardsTotal)", countsBytes: true)
    update(work) { events, rate in events.progress(progress, rate: rate) }
  }

  /// Tells the progress of making an adapter.
  func update(_ progress: AdapterProgress) {
    events?.module(progress)
    if namesShards {
      finish()
      let count = "\(progress.unitsDone)/\(progress.unitsTotal)"
      write(LabeledLine.text("module", "\(count)  \(progress.unit.escapingUnprintable)") + "\n")
    }
    let work = Work(
      label: "making", done: progress.costDone, total: progress.costTotal, kept: progress.costKept,
      part: "module \(min(progress.unitsDone + 1, progress.unitsTotal))/\(progress.unitsTotal)", countsBytes: false)
    // Each module is an event of its own.
    update(work, event: nil)
  }

  /// How far some work is.
  private struct Work {
    let label: String
    let done: Int
    let total: Int
    /// What of ``done`` a run before did.
    let kept: Int
    let part: String
    let countsBytes: Bool
  }

  /// - Parameter event: Sends an event, where one is due; nil: there are none.
  private func update(_ work: Work, event: ((EventStream, TransferRate) -> Void)?) {
    guard form != .nothing || interval != nil else { return }
    state.withLock { state in
      let now = now()
      let rate = TransferRate(done: work.done - work.kept, left: work.total - work.done, elapsed: now - start)
      if let events, let interval {
        guard let event, Self.isDue(state.lastTold, interval, now) else { return }
        state.lastTold = now
        return event(events, rate)
      }
      let bar = ProgressBar(
        label: work.label, done: work.done, total: work.total, rate: rate, part: work.part,
        countsBytes: work.countsBytes)
      switch form {
      case .nothing: return
      case .line:
        guard Self.isDue(state.lastTold, .milliseconds(100), now) else { return }
        state.isShown = true
        draw(bar.line(width: StandardStreams.width(STDERR_FILENO) - 1))
      case .log:
        guard isLogDue(work, state, now) else { return }
        state.lastLogged = work.done
        write(bar.logLine + "\n")
      }
      state.lastTold = now
    }
  }

  private static func isDue(
    _ last: ContinuousClock.Instant?, _ interval: Duration, _ now: ContinuousClock.Instant
  ) -> Bool { last.map { now - $0 >= interval } ?? true }

  private func isLogDue(_ work: Work, _ state: State, _ now: ContinuousClock.Instant) -> Bool {
    let elapsed = now - (state.lastTold ?? start)
    if elapsed >= Self.logInterval { return true }
    let step = (work.total - work.kept) / Self.logSteps
    return elapsed >= Self.leastLogInterval && work.done - max(state.lastLogged, work.kept) >= step
  }

  /// Clears the line.
  func finish() {
    state.withLock { state in
      if state.isShown { draw("") }
      state.isShown = false
    }
  }

  private func draw(_ text: String) { write("\r\u{1b}[2K\(text)") }
}
