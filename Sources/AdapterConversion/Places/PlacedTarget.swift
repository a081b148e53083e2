import ImageModels
import ModelNames
import Safetensors

/// A module that a dialect names, and which rows of the adapter's modules it is made of.
struct PlacedTarget: Sendable {
  /// Rows that one of the adapter's modules gives.
  struct Piece: Equatable, Sendable {
    /// The module's place in the adapter's list.
    let source: Int
    let sourceRows: Range<Int>
    /// The rows of the target.
    let rows: Range<Int>
  }

  let component: Int
  let module: SpelledModule
  let rowCount: Int
  /// In the order of the target's rows; rows that are in none stay as they are.
  let pieces: [Piece]

  /// The adapter's modules, in the order of their first rows.
  var sources: [Int] {
    var found: [Int] = []
    for piece in pieces where !found.contains(piece.source) { found.append(piece.source) }
    return found
  }

  /// Whether every row is given by a module.
  var isCovered: Bool { pieces.reduce(0) { $0 + $1.rows.count } == rowCount }

  /// Whether it is one module of the adapter with all its rows in their order.
  func isWhole(_ sourceRowCount: Int) -> Bool {
    pieces.count == 1 && pieces[0].rows == 0..<rowCount && pieces[0].sourceRows == 0..<sourceRowCount
  }
}
