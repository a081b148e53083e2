/// Rows of cells in columns as wide as their widest cell; the last column is not padded.
struct TextTable {
  enum Alignment { case left, right }

  private let alignments: [Alignment]
  private var widths: [Int]
  private var rows: [[String]] = []

  init(header: [String], alignments: [Alignment]) {
    self.alignments = alignments
    widths = header.map { _ in 0 }
    append(header)
  }

  mutating func append(_ row: [String]) {
    for (column, cell) in row.enumerated() { widths[column] = max(widths[column], cell.unicodeScalars.count) }
    rows.append(row)
  }

  func lines() -> some Sequence<String> {
    rows.lazy.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.unicodeScalars.count)
        switch alignments[column] {
        case .left: line += column == row.count - 1 ? cell : cell + padding
        case .right: line += padding + cell
        }
        if column < row.count - 1 { line += "  " }
      }
      return line + "\n"
    }
  }
}
