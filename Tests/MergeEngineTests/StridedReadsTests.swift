import MergePlanning
import Safetensors
import Testing

@testable import MergeEngine

@Suite struct StridedReadsTests {
  /// Every element of every part of a matrix is found in the runs, whatever the strides; and no run leaves the matrix.
  @Test(arguments: [
    (7, 5, 0, 5, 1), (7, 5, 3, 1, 7), (40, 3, 0, 1, 1000), (3, 40, 2, 1000, 1), (6, 4, 5, 64, 16), (1, 9, 0, 9, 1),
    (9, 1, 0, 1, 9), (5, 6, 1, 12, 2),
  ])
  func holdWhatTheyAreAskedFor(rows: Int, columns: Int, offset: Int, rowStride: Int, columnStride: Int) {
    let last = offset + (rows - 1) * rowStride + (columns - 1) * columnStride
    let view = FactorView(
      MergePlan.Source(input: 0, dtype: .f32, range: 0..<4 * (last + 1)), rows: rows, columns: columns, offset: offset,
      rowStride: rowStride, columnStride: columnStride)
    for first in 0..<rows {
      for end in first + 1...rows {
        let runs = StridedReads(view, rows: first..<end)
        let found = (0..<runs.count).flatMap { runs.first($0)..<runs.first($0) + runs.length }
        #expect(found.allSatisfy { (offset...last).contains($0) })
        #expect(found.count == runs.elementCount)
        for row in first..<end {
          for column in 0..<columns {
            let place = (row - first) * runs.rowStride + column * runs.columnStride
            #expect(found[place] == offset + row * rowStride + column * columnStride)
          }
        }
      }
    }
  }

  /// A few rows of a transposed matrix do not cost the whole matrix.
  @Test func readLittleOfATransposedMatrix() {
    let view = FactorView(
      MergePlan.Source(input: 0, dtype: .f32, range: 0..<4 * 16 * 128_000), rows: 128_000, columns: 16, rowStride: 1,
      columnStride: 128_000)
    #expect(StridedReads(view, rows: 64..<128).elementCount == 64 * 16)
  }
}
