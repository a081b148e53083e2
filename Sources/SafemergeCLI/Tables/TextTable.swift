import JSONText

/// Rows of cells in columns as wide as their widest cell; the last column is not padded. On a terminal that is too narrow
/// names are shortened and sentences wrapped; where that is not enough, each row is a block of lines.
///
/// The cells of all rows share one buffer: a table of 100,000 rows is a few pieces of memory, not half a million
/// strings.
struct TextTable: Sendable {
  enum Alignment: Sendable { case left, right }

  struct Column: Sendable {
    let title: String
    let alignment: Alignment
    /// For names: how far they may be shortened on a terminal; nil for cells that are shown whole.
    let leastWidth: Int?
    /// Whether cells may be wrapped between words; only in the last column.
    let isSentence: Bool

    static func left(_ title: String) -> Column {
      Column(title: title, alignment: .left, leastWidth: nil, isSentence: false)
    }

    static func right(_ title: String) -> Column {
      Column(title: title, alignment: .right, leastWidth: nil, isSentence: false)
    }

    static func name(_ title: String, leastWidth: Int = 28) -> Column {
      Column(title: title, alignment: .left, leastWidth: leastWidth, isSentence: false)
    }

    static func sentence(_ title: String) -> Column {
      Column(title: title, alignment: .left, leastWidth: nil, isSentence: true)
    }
  }

  private let columns: [Column]
  private let hasHeader: Bool
  private let style: TextStyle
  private var widths: [Int]
  private var bytes: [UInt8] = []
  /// For every cell, in row order, the end of its bytes and its width.
  private var cells: [(end: Int, width: Int)] = []
  /// The emphasis of cells, by position.
  private var emphases: [Int: TextStyle.Emphasis] = [:]

  /// - Parameters:
  ///   - hasHeader: Whether the titles are the first row.
  ///   - rowCount: The expected number of rows, to reserve memory.
  init(_ columns: [Column], hasHeader: Bool = true, rowCount: Int = 0, style: TextStyle = .plain) {
    self.columns = columns
    self.hasHeader = hasHeader
    self.style = style
    bytes.reserveCapacity(rowCount * 128)
    cells.reserveCapacity(rowCount * columns.count)
    widths = columns.map { _ in 0 }
    if hasHeader { for column in columns { add(column.title, emphasis: .strong) } }
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
    let column = cells.count % columns.count
    widths[column] = max(widths[column], width)
    cells.append((bytes.count, width))
  }

  /// Widens the columns to those of `other`, which has the same columns.
  mutating func widen(to other: TextTable) {
    for column in widths.indices { widths[column] = max(widths[column], other.widths[column]) }
  }

  /// - Parameter width: The columns of the terminal; nil: nothing is shortened or wrapped.
  func write(to output: inout StandardOutput, width: Int?) throws(StandardOutput.Failure) {
    let layout = TableLayout(widths, columns, screen: width)
    for row in 0..<cells.count / columns.count { try output.write(text(row, layout)) }
  }

  /// The whole table as text.
  func text(width: Int?) -> String {
    let layout = TableLayout(widths, columns, screen: width)
    return String(decoding: (0..<cells.count / columns.count).flatMap { text($0, layout) }, as: UTF8.self)
  }

  private func text(_ row: Int, _ layout: TableLayout) -> [UInt8] {
    switch layout {
    case .columns(let widths): line(row, widths)
    case .blocks(let width): hasHeader && row == 0 ? [] : block(row, width)
    }
  }

  private func cellBytes(_ position: Int) -> ArraySlice<UInt8> {
    bytes[(position == 0 ? 0 : cells[position - 1].end)..<cells[position].end]
  }

  private func cellText(_ position: Int) -> String { String(decoding: cellBytes(position), as: UTF8.self) }

  // MARK: Columns

  private func line(_ row: Int, _ widths: [Int]) -> [UInt8] {
    var line: [UInt8] = []
    for column in columns.indices {
      let position = row * columns.count + column
      let cell = cells[position]
      let marks = emphases[position].flatMap { style.marks($0) }
      let isWhole = cell.width <= widths[column]
      let padding = repeatElement(UInt8(ascii: " "), count: isWhole ? widths[column] - cell.width : 0)
      if columns[column].alignment == .right { line.append(contentsOf: padding) }
      if let marks { line.append(contentsOf: marks.before.utf8) }
      if isWhole {
        line.append(contentsOf: cellBytes(position))
      } else if columns[column].isSentence {
        let margin = widths[..<column].reduce(0, +) + column * TableLayout.gap
        let lines = Screen.wrapped(cellText(position), width: widths[column], indentation: 0)
        let separator = "\(marks?.after ?? "")\n\(String(repeating: " ", count: margin))\(marks?.before ?? "")"
        line.append(contentsOf: lines.joined(separator: separator).utf8)
      } else {
        line.append(contentsOf: ShortName.of(cellText(position), width: widths[column]).utf8)
      }
      if let marks { line.append(contentsOf: marks.after.utf8) }
      guard column < columns.count - 1 else { break }
      if columns[column].alignment == .left { line.append(contentsOf: padding) }
      line.append(contentsOf: repeatElement(UInt8(ascii: " "), count: TableLayout.gap))
    }
    // Trailing separators of empty cells are removed.
    while line.last == UInt8(ascii: " ") { line.removeLast() }
    line.append(UInt8(ascii: "\n"))
    return line
  }

  // MARK: Blocks

  /// The row's name, and below it the other cells with their titles.
  private func block(_ row: Int, _ width: Int) -> [UInt8] {
    let first = row * columns.count
    let nameColumn = columns.firstIndex { $0.leastWidth != nil } ?? 0
    let heading = (0...nameColumn).map { cellText(first + $0) }
      .filter { !$0.isEmpty || nameColumn == 0 }.joined(separator: " ")
    let indentation = heading.prefix { $0 == " " }.count + 2
    let margin = String(repeating: " ", count: indentation)
    var lines = [style.text(ShortName.of(heading, width: width), emphases[first + nameColumn] ?? .strong)]
    var current = margin
    var used = indentation
    for column in columns.indices.dropFirst(nameColumn + 1) {
      let cell = cellText(first + column)
      guard !cell.isEmpty else { continue }
      let emphasis = emphases[first + column] ?? .none
      let title = columns[column].title.lowercased()
      let pairWidth = title.unicodeScalars.count + 1 + cells[first + column].width
      if used > indentation, used + TableLayout.gap + pairWidth > width {
        lines.append(current)
        (current, used) = (margin, indentation)
      }
      if used > indentation {
        current += String(repeating: " ", count: TableLayout.gap)
        used += TableLayout.gap
      }
      let shown =
        columns[column].leastWidth == nil
        ? cell : ShortName.of(cell, width: max(8, width - used - title.unicodeScalars.count - 1))
      let pieces = Screen.wrapped("\(title) \(shown)", width: width - max(used, indentation + 2), indentation: 0)
      for (number, piece) in pieces.enumerated() {
        if number > 0 {
          lines.append(current)
          (current, used) = (margin + "  ", indentation + 2)
        }
        if number == 0, piece.hasPrefix(title + " ") {
          current += "\(title) \(style.text(String(piece.dropFirst(title.count + 1)), emphasis))"
        } else if number == 0, piece == title {
          current += title
        } else {
          current += style.text(piece, emphasis)
        }
        used += piece.unicodeScalars.count
      }
    }
    if used > indentation { lines.append(current) }
    return Array(lines.map { $0 + "\n" }.joined().utf8)
  }
}
