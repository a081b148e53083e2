import Synchronization
import Testing

@testable import MergeEngine
@testable import Platform
@testable import SafemergeCLI

/// The progress line of a terminal, and the lines of a log.
@Suite struct ProgressTests {
  private static let total = 100 << 26

  private static func progress(_ percent: Int, kept: Int = 0) -> MergeProgress {
    MergeProgress(
      bytesDone: total / 100 * percent, bytesTotal: total, bytesKept: total / 100 * kept, shardsDone: percent / 25,
      shardsTotal: 4, finishedShard: nil)
  }

  private static func bar(_ percent: Int, seconds: Int) -> ProgressBar {
    let progress = progress(percent)
    return ProgressBar(
      label: "merging", done: progress.bytesDone, total: total,
      rate: TransferRate(done: progress.bytesDone, left: total - progress.bytesDone, elapsed: .seconds(seconds)),
      part: "shard \(min(4, percent / 25 + 1))/4")
  }

  @Test func theLineHasBarRateAndTimeAt80() {
    #expect(
      Self.bar(58, seconds: 3).line(width: 79)
        == "merging   [========>       ]   58 %  3.6 of 6.3 GiB  1.2 GiB/s  0:03 left")
    #expect(
      Self.bar(58, seconds: 3).line(width: 59) == "merging   [======>     ]   58 %  1.2 GiB/s  0:03 left")
    #expect(
      Self.bar(58, seconds: 3).line(width: 119)
        == "merging   [================>             ]   58 %  3.6 of 6.3 GiB  1.2 GiB/s  0:03 left  shard 3/4")
  }

  /// At any width and any figures.
  @Test(arguments: [0, 1, 20, 40, 59, 79, 119, 200]) func theLineFits(width: Int) {
    for percent in [0, 1, 50, 99, 100] {
      for seconds in [1, 100, 1_000_000] {
        #expect(Self.bar(percent, seconds: seconds).line(width: width).count <= width, "\(percent) \(seconds)")
      }
    }
    let huge = ProgressBar(
      label: "reading", done: 1023 << 30, total: 1023 << 30,
      rate: TransferRate(done: 1, left: 9, elapsed: .seconds(9999)))
    #expect(huge.line(width: width).count <= width)
    #expect(
      ProgressBar(label: "a", done: 0, total: 0, rate: TransferRate(done: 0, left: 0, elapsed: .zero)).logLine
        == "a         100 %, 0 of 0 B, 0 B/s, -:-- left")
  }

  /// Figures of other lengths do not move the bar's end.
  @Test func theBarKeepsItsLength() {
    let ends = [1, 9, 10, 55, 99, 100].map { percent in
      Array(Self.bar(percent, seconds: 2).line(width: 79)).firstIndex(of: "]")
    }
    #expect(Set(ends).count == 1)
  }

  @Test(arguments: [
    (0, 16_060_522_496, "0.0 of 15.0 GiB"), (5_600_000_000, 16_060_522_496, "5.2 of 15.0 GiB"),
    (16_060_522_496, 16_060_522_496, "15.0 of 15.0 GiB"), (3, 17, "3 of 17 B"), (0, 0, "0 of 0 B"),
  ])
  func sizesHaveOneUnit(done: Int, total: Int, text: String) { #expect(NumberText.bytes(done, of: total) == text) }

  /// A clock that stands still until it is moved, and what was written.
  private final class Log: Sendable {
    private let state = Mutex((now: ContinuousClock.now, lines: [String]()))

    func now() -> ContinuousClock.Instant { state.withLock { $0.now } }
    func wait(_ seconds: Double) { state.withLock { $0.now += .seconds(seconds) } }
    func write(_ text: String) { state.withLock { $0.lines.append(text) } }
    var lines: [String] { state.withLock { $0.lines } }

    func line(_ form: ProgressLine.Form, namesShards: Bool = false) -> ProgressLine {
      ProgressLine(form, namesShards: namesShards, now: { self.now() }, write: { self.write($0) })
    }
  }

  @Test func aLogHasALineEveryTenSecondsOrFivePercent() {
    let log = Log()
    let line = log.line(.log)
    line.update(ProgressTests.progress(1))
    #expect(log.lines.isEmpty, "not at once")
    // Slow work: every ten seconds.
    for _ in 0..<20 {
      log.wait(1)
      line.update(ProgressTests.progress(2))
    }
    #expect(
      log.lines.count == 2 && log.lines[0] == "merging   2 %, 0.1 of 6.3 GiB, 12.8 MiB/s, 8:10 left\n", "\(log.lines)")
    // Faster work: every 5 %.
    for percent in 3...22 {
      log.wait(1)
      line.update(ProgressTests.progress(percent))
    }
    #expect(log.lines.count == 6, "\(log.lines)")
    // Work that is done within a second has no line.
    for percent in 23...100 { line.update(ProgressTests.progress(percent)) }
    #expect(log.lines.count == 6)
    line.finish()
    #expect(log.lines.allSatisfy { $0.hasSuffix(" left\n") && !$0.contains("\u{1b}") && !$0.contains("\r") })
  }

  /// What an interrupted merge did is no progress of this one.
  @Test func aResumedMergeCountsItsOwnWork() {
    let log = Log()
    let line = log.line(.log)
    log.wait(1)
    line.update(Self.progress(81, kept: 80))
    #expect(log.lines.count == 1, "1 % of the whole is 5 % of what is left")
  }

  @Test func aTerminalIsDrawnTenTimesASecond() {
    let log = Log()
    let line = log.line(.line)
    for _ in 0..<100 {
      line.update(Self.progress(50))
      log.wait(0.02)
    }
    #expect((16...21).contains(log.lines.count), "\(log.lines.count)")
    line.finish()
    #expect(log.lines.last == "\r\u{1b}[2K")
    let silent = Log()
    silent.line(.nothing).update(Self.progress(50))
    #expect(silent.lines.isEmpty)
  }
}
