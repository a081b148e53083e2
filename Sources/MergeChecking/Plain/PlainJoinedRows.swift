import Adapters
import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors

/// Rows of a matrix that several tensors have: those that a part's steps need.
struct PlainJoinedRows: Sendable {
  private let columns: Int
  /// The matrix's rows that are held, and their numbers, row after row.
  private let held: Range<Int>
  private let elements: [Float]

  init(
    _ matrix: JoinedMatrix<FactorView>, of part: PartialUpdate<FactorView>, columns: Int, _ reader: inout FactorReader
  ) throws(SafetensorsError) {
    self.columns = columns
    held = part.seenRows(for: part.rows).rows
    var elements: [Float] = []
    var first = 0
    for view in matrix.tensors {
      let own = held.clamped(to: first..<first + view.rows)
      if !own.isEmpty {
        elements += try reader.values(view)[(own.lowerBound - first) * columns..<(own.upperBound - first) * columns]
      }
      first += view.rows
    }
    self.elements = elements
  }

  /// The numbers of some of these rows.
  func values(_ rows: Range<Int>) -> [Float] {
    Array(elements[(rows.lowerBound - held.lowerBound) * columns..<(rows.upperBound - held.lowerBound) * columns])
  }

  /// Gives the steps of a matrix the norms down its columns that they need.
  ///
  /// - Parameter prepared: The steps, of the whole matrix.
  static func findColumnNorms(
    of prepared: inout PreparedTensor, _ matrix: JoinedMatrix<FactorView>, _ reader: inout FactorReader
  ) throws(SafetensorsError) {
    let columns = prepared.columns
    for number in prepared.steps.indices where prepared.steps[number].needsColumnNorms {
      var recomputation = RowRecomputation(prepared, sourceType: SPA_F32)
      var squares = PlainSquares(columns: columns)
      var first = 0
      for view in matrix.tensors {
        let values = try reader.values(view)
        for row in 0..<view.rows {
          let bytes = unsafe values[row * columns..<(row + 1) * columns].withUnsafeBytes { unsafe Array($0) }
          recomputation.addColumnSquares(step: number, first + row..<first + row + 1, from: bytes, to: &squares)
        }
        first += view.rows
      }
      prepared.steps[number].use(squares.norms(width: prepared.steps[number].columnsPerNorm, rows: prepared.rows))
    }
  }
}
