import Adapters
import MergePlanning
import TileKernels

/// Reads rows of a matrix that several tensors have.
struct JoinedRows: Sendable {
  let matrix: JoinedMatrix<FactorView>

  /// Sets the first elements of `buffer` to some rows in fp32, one after the other.
  func read(_ rows: Range<Int>, columns: Int, into buffer: inout FloatBuffer, _ scratch: inout FactorScratch) throws {
    buffer.grow(to: rows.count * columns)
    var first = 0
    for view in matrix.tensors {
      let own = rows.clamped(to: first..<first + view.rows)
      if !own.isEmpty {
        var part = scratch.parts.popLast() ?? FloatBuffer()
        let inside = own.lowerBound - first..<own.upperBound - first
        try part.read(view, rows: inside, through: &scratch.raw, scratch.inputs, scratch.kernels)
        buffer.copy(
          0..<own.count * columns, of: part, width: 0, rows: 1, to: (own.lowerBound - rows.lowerBound) * columns,
          width: 0)
        scratch.parts.append(part)
      }
      first += view.rows
    }
  }
}
