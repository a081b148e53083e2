import MergeEngine
import Platform

/// The distribution of the tensors' figures.
enum HistogramSection {
  private static let (width, height) = (360.0, 170.0)
  private static let (left, right, top, bottom) = (34.0, 12.0, 16.0, 26.0)

  static func write(_ report: ReportDocument, _ writer: inout HTMLWriter) {
    guard report.tensors.count > 1 else { return }
    let figures = report.tensors.map(\.figures)
    let pictures: [(title: String, style: String, mark: String?, histogram: Histogram)] = [
      (
        "Change, of the weight's norm", "change", "suspicious",
        Histogram(logarithmic: figures.compactMap(\.deltaToBase), mark: MergeReport.suspiciousRatio)
      ),
      (
        "Lost to rounding, of the change", "loss", "noticeable",
        Histogram(logarithmic: figures.compactMap(\.roundingLoss), mark: MergeReport.noticeableLoss)
      ),
      ("Elements that changed", "share", nil, Histogram(shares: figures.compactMap(\.changedShare))),
    ]
    let shown = pictures.filter { !$0.histogram.isEmpty }
    guard !shown.isEmpty else { return }
    writer.element("h2", "Spread")
    writer.open("div", [("class", "figures")])
    for picture in shown {
      writer.open("figure")
      write(picture.histogram, title: picture.title, style: picture.style, mark: picture.mark, &writer)
      writer.open("figcaption")
      writer.element("strong", picture.title, breaksLine: false)
      writer.text(" number of tensors")
      if picture.histogram.zeroCount > 0 {
        writer.text("; \(NumberText.counted(picture.histogram.zeroCount, "tensor")) with 0 not shown")
      }
      writer.close()
      writer.close()
    }
    writer.close()
  }

  private static func write(
    _ histogram: Histogram, title: String, style: String, mark: String?, _ writer: inout HTMLWriter
  ) {
    let plotWidth = width - left - right
    let plotHeight = height - top - bottom
    let base = height - bottom
    func x(_ position: Double) -> Double { left + position * plotWidth }
    writer.open(
      "svg",
      [
        ("viewBox", "0 0 \(number(width)) \(number(height))"), ("role", "img"), ("class", style),
        ("aria-label", "\(title): a histogram of \(NumberText.grouped(histogram.counts.reduce(0, +))) tensors"),
      ])
    // The largest count, as a line across and a number at its left.
    line(left, top, width - right, top, "grid", &writer)
    label(left - 6, top + 4, NumberText.grouped(histogram.largest), "end", &writer)
    label(left - 6, base + 4, "0", "end", &writer)
    let barWidth = plotWidth / Double(histogram.counts.count)
    for (bin, count) in histogram.counts.enumerated() where count > 0 {
      // A bar of a nonzero count stays visible.
      let barHeight = max(2, plotHeight * Double(count) / Double(histogram.largest))
      writer.open(
        "rect",
        [
          ("x", number(left + Double(bin) * barWidth + 1)), ("y", number(base - barHeight)),
          ("width", number(max(1, barWidth - 2))), ("height", number(barHeight)), ("rx", "1.5"), ("class", "bar"),
        ])
      writer.element("title", NumberText.counted(count, "tensor"), breaksLine: false)
      writer.close(breaksLine: false)
    }
    line(left, base, width - right, base, "axis", &writer)
    // Few enough labels that they do not overlap.
    let every = max(1, (histogram.ticks.count + 5) / 6)
    for (place, tick) in histogram.ticks.enumerated() {
      line(x(tick.position), base, x(tick.position), base + 4, "axis", &writer)
      guard place % every == 0 else { continue }
      let anchor = tick.position < 0.03 ? "start" : tick.position > 0.97 ? "end" : "middle"
      label(x(tick.position), base + 18, tick.label, anchor, &writer)
    }
    if let position = histogram.mark, let mark {
      line(x(position), top - 4, x(position), base, "mark", &writer)
      let isLeft = position > 0.7
      label(x(position) + (isLeft ? -4 : 4), top - 5, mark, isLeft ? "end" : "start", &writer)
    }
    writer.close()
  }

  private static func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String, _ writer: inout HTMLWriter
  ) {
    writer.empty(
      "line", [("x1", number(x1)), ("y1", number(y1)), ("x2", number(x2)), ("y2", number(y2)), ("class", style)])
  }

  private static func label(
    _ x: Double, _ y: Double, _ text: String, _ anchor: String, _ writer: inout HTMLWriter
  ) {
    writer.element("text", text, [("x", number(x)), ("y", number(y)), ("text-anchor", anchor)], breaksLine: false)
  }

  /// A coordinate with one decimal.
  private static func number(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0 ? String(tenths / 10) : "\(tenths / 10).\(abs(tenths % 10))"
  }
}
