/// How a table fits a screen.
enum TableLayout: Equatable, Sendable {
  /// A line for each row; longer names are shortened, longer sentences wrapped.
  case columns(widths: [Int])
  /// Some lines for each row: its name, then the titles and cells.
  case blocks(width: Int)

  /// Spaces between two columns.
  static let gap = 2
  /// A screen that is not wider gets blocks, unless the whole table fits.
  static let narrowWidth = 60
  private static let leastSentence = 24

  /// - Parameters:
  ///   - widths: The widest cell of each column.
  ///   - screen: The columns of the terminal; nil: as wide as the cells.
  init(_ widths: [Int], _ columns: [TextTable.Column], screen: Int?) {
    var excess = widths.reduce(0, +) + Self.gap * (widths.count - 1) - (screen ?? .max)
    guard let screen, excess > 0 else {
      self = .columns(widths: widths)
      return
    }
    guard screen > Self.narrowWidth else {
      self = .blocks(width: screen)
      return
    }
    var widths = widths
    let least = columns.map { $0.leastWidth ?? ($0.isSentence ? Self.leastSentence : .max) }
    // The column with the most to spare first.
    while excess > 0 {
      let slacks = zip(widths, least).map { $0 > $1 ? $0 - $1 : 0 }
      guard let column = slacks.indices.max(by: { slacks[$0] < slacks[$1] }), slacks[column] > 0 else { break }
      widths[column] -= 1
      excess -= 1
    }
    self = excess > 0 ? .blocks(width: screen) : .columns(widths: widths)
  }
}
