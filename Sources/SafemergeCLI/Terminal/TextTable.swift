import JSONText

/// Rows of cells in columns as wide as their widest cell; the last column is not padded.
///
/// The cells of all rows share one buffer: a table of 100,000 rows is a few pieces of memory, not half a million
/// strings.
struct TextTable: Sendable {
  enum Alignment: Sendable { case left, right }

  private let alignments: [Alignment]
  private let style: TextStyle
  private var widths: [Int]
  private var bytes: [UInt8] = []
  /// For every cell, in row order, the end of its bytes and its width.
  private var cells: [(end: Int, width: Int)] = []
  /// The emphasis of cells, by position.
  private var emphases: [Int: TextStyle.Emphasis] = [:]

  /// - Parameters:
  ///   - header: The first row; empty for none.
  ///   - rowCount: The expected number of rows, to reserve memory.
  init(header: [String] = [], alignments: [Alignment], rowCount: Int = 0, style: TextStyle = .plain) {
    self.alignments = alignments
    self.style = style
    bytes.reserveCapacity(rowCount * 128)
    cells.reserveCapacity(rowCount * alignments.count)
    widths = alignments.map { _ in 0 }
    for cell in header { add(cell, emphasis: .strong) }
  }

  /// Adds the next cell of the row; unprintable characters are escaped.
  mutating func add(_ cell: String, emphasis: TextStyle.Emphasis = .none) {
    if style.isColored, emphasis != .none { emphases[cells.count] = emphasis }
    var cell = cell
    // Nearly every cell is printable ASCII, which is copied unchanged and is as wide as its number of bytes.
    let plainByteCount = cell.withUTF8 { utf8 -> Int? in
      guard utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else { return nil }
      bytes.append(contentsOf: utf8)
      return utf8.count
    }
    let width: Int
    if let plainByteCount {
      width = plainByteCount
    } else {
      let escaped = cell.escapingUnprintable
      bytes.append(contentsOf: escaped.utf8)
      width = escaped.unicodeScalars.count
    }
    let column = cells.count % alignments.count
    widths[column] = max(widths[column], width)
    cells.append((bytes.count, width))
  }

  /// Widens the columns to those of `other`, which has the same columns.
  mutating func widen(to other: TextTable) {
    for column in widths.indices { widths[column] = max(widths[column], other.widths[column]) }
  }

  func write(to output: inout StandardOutput) throws(StandardOutput.Failure) {
    var line: [UInt8] = []
    var start = 0
    for (position, cell) in cells.enumerated() {
      let column = position % alignments.count
      let isLast = column == alignments.count - 1
      let padding = repeatElement(UInt8(ascii: " "), count: widths[column] - cell.width)
      if alignments[column] == .right { line.append(contentsOf: padding) }
      let marks = emphases[position].flatMap { style.marks($0) }
      if let marks { line.append(contentsOf: marks.before.utf8) }
      line.append(contentsOf: bytes[start..<cell.end])
      if let marks { line.append(contentsOf: marks.after.utf8) }
      start = cell.end
      if isLast {
        // Trailing separators of empty cells are removed.
        while line.last == UInt8(ascii: " ") { line.removeLast() }
        line.append(UInt8(ascii: "\n"))
        try output.write(line)
        line.removeAll(keepingCapacity: true)
      } else {
        if alignments[column] == .left { line.append(contentsOf: padding) }
        line.append(contentsOf: "  ".utf8)
      }
    }
  }
}
