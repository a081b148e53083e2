import Platform

/// A line about how far some work is, for a terminal and for a log.
struct ProgressBar {
  /// At most nine letters.
  let label: String
  let done: Int
  let total: Int
  let rate: TransferRate
  /// What is being made, such as `shard 3/4`; nil for none.
  var part: String?
  /// Whether the work is counted in bytes, so that sizes and a speed can be told.
  var countsBytes = true

  private var percent: String {
    "\(total == 0 ? 100 : Int(Double(done) * 100 / Double(total))) %"
  }

  /// `merging   [=====>     ]  35 %  5.2 of 15.0 GiB  850.0 MiB/s  0:12 left`, in at most `width` columns. The bar keeps
  /// its length while the figures change; a narrow terminal gets fewer of them.
  func line(width: Int) -> String {
    let sizes = NumberText.bytes(done, of: total)
    let sizesWidth = 2 * NumberText.bytes(total).count
    var figures = [(text: percent.padded(left: 5), width: 5)]
    let speed =
      countsBytes ? ["\(NumberText.bytes(rate.bytesPerSecond))/s", "\(rate.timeLeft) left"] : ["\(rate.timeLeft) left"]
    let isWide = width >= Self.widthOfAll
    if countsBytes, width >= Self.widthOfSizes { figures.append((sizes, max(sizes.count, sizesWidth))) }
    figures += speed.map { (text: $0, width: max($0.count, 12)) }
    if isWide, let part { figures.append((part, max(part.count, 13))) }
    let text = figures.map(\.text).joined(separator: "  ")
    let bar = min(30, width - LabeledLine.indentation - 2 - figures.reduce(0) { $0 + 2 + $1.width })
    guard bar >= 8 else { return String(LabeledLine.text(label, text).prefix(max(0, width))) }
    let filled = total == 0 ? bar - 1 : Int(Double(done) / Double(total) * Double(bar - 1))
    let picture = String(repeating: "=", count: filled) + ">" + String(repeating: " ", count: bar - 1 - filled)
    return LabeledLine.text(label, "[\(picture)]  \(text)")
  }

  private static let widthOfAll = 96
  private static let widthOfSizes = 72

  /// `merging   35 %, 5.2 of 15.0 GiB, 850.0 MiB/s, 0:12 left`.
  var logLine: String {
    let sizes = countsBytes ? "\(NumberText.bytes(done, of: total)), \(NumberText.bytes(rate.bytesPerSecond))/s, " : ""
    return LabeledLine.text(label, "\(percent), \(sizes)\(rate.timeLeft) left")
  }
}

extension String {
  /// With spaces before it up to this width.
  fileprivate func padded(left width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
}
