import Adapters
import MergePlanning
import Safetensors
import TileKernels

/// A weight times a column, as one row: summed once, in double, and rounded to fp32.
struct ImageFormula: FormulaEvaluation {
  let weight: FactorView
  let columns: Formula<FactorView>
  let dtype: DType?

  /// Elements of the weight that are read at once.
  private static let pieceElementCount = 1 << 18

  private var rowsAtOnce: Int { max(1, min(weight.rows, Self.pieceElementCount / max(1, weight.columns))) }

  func memory(_ place: StepPlace) -> StepMemory {
    let own = columns.evaluation.memory(StepPlace(tensor: place.tensor, tileRows: columns.rows))
    let piece = rowsAtOnce * weight.columns * (4 + weight.source.dtype.bitCount / 8)
    let column = columns.rows * (8 + own.perElement + own.widest * 4) + own.rows + own.products + own.shared + own.work
    return StepMemory(shared: weight.rows * MemoryLayout<Float>.stride, work: piece + column)
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    var column = try columns.evaluation.prepare(context).matrix(rows: columns.rows, context)
    if let dtype {
      var (buffer, bytes) = (FloatBuffer(), [UInt8]())
      buffer.set(column)
      try buffer.round(column.count, to: try context.inputs.elementType(dtype), through: &bytes, context.kernels)
      column = buffer.elements
    }
    var values = [Float](repeating: 0, count: weight.rows)
    if column.contains(where: { $0 != 0 }) {
      for first in stride(from: 0, to: weight.rows, by: rowsAtOnce) {
        let rows = first..<min(first + rowsAtOnce, weight.rows)
        Self.multiply(try context.widened(weight, rows: rows), by: column, rows: rows, into: &values)
      }
    }
    return PreparedValues(values, columns: weight.rows)
  }

  private static func multiply(_ elements: [Float], by column: [Float], rows: Range<Int>, into values: inout [Float]) {
    let (elements, column) = (elements.span, column.span)
    for row in 0..<rows.count {
      var sum = 0.0
      for index in 0..<column.count {
        sum += Double(elements[row * column.count + index]) * Double(column[index])
      }
      values[rows.lowerBound + row] = Float(sum)
    }
  }
}
