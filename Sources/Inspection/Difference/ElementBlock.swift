import CPlainArithmetic
import Safetensors

/// Elements of a tensor that are read together: a run, or a block of rows and columns.
struct ElementBlock: Equatable {
  /// The first element, counted from the tensor's first.
  let first: Int
  let rowCount: Int
  /// Elements of a row that are neighbors.
  let columnCount: Int
  /// From one row's first element to the next one's.
  let stride: Int
  /// Whether the columns are read as rows.
  let isTransposed: Bool

  var count: Int { rowCount * columnCount }

  /// Elements that are neighbors.
  init(_ elements: Range<Int>) {
    self.init(first: elements.lowerBound, rowCount: 1, columnCount: elements.count, stride: 0, isTransposed: false)
  }

  init(first: Int, rowCount: Int, columnCount: Int, stride: Int, isTransposed: Bool) {
    self.first = first
    self.rowCount = rowCount
    self.columnCount = columnCount
    self.stride = stride
    self.isTransposed = isTransposed
  }

  /// Pairs of blocks of at most about this many elements that together are all elements of two parts of one shape, in their order.
  static func pairs(
    _ left: ModelDifference.Part, _ right: ModelDifference.Part, elementCount: Int
  ) -> [(left: ElementBlock, right: ElementBlock)] {
    let (one, other) = (PartRows(left), PartRows(right))
    guard left.elementCount > 0 else { return [(ElementBlock(0..<0), ElementBlock(0..<0))] }
    guard one.isTransposed == other.isTransposed else {
      return blocks(one, other, edge: max(1, Int(Double(elementCount).squareRoot())))
    }
    var result: [(left: ElementBlock, right: ElementBlock)] = []
    for (mine, theirs) in common(one.runs, other.runs) {
      let count = mine.count * one.rowLength
      for start in Swift.stride(from: 0, to: count, by: elementCount) {
        let length = min(elementCount, count - start)
        let (first, second) = (mine.lowerBound * one.rowLength + start, theirs.lowerBound * other.rowLength + start)
        result.append((ElementBlock(first..<first + length), ElementBlock(second..<second + length)))
      }
    }
    return result
  }

  /// Blocks of a matrix that one side has with rows and columns exchanged.
  private static func blocks(
    _ one: PartRows, _ other: PartRows, edge: Int
  ) -> [(left: ElementBlock, right: ElementBlock)] {
    let (plain, turned) = one.isTransposed ? (other, one) : (one, other)
    let columns = plain.rowLength
    var result: [(left: ElementBlock, right: ElementBlock)] = []
    var row = 0
    for run in plain.runs {
      for start in Swift.stride(from: run.lowerBound, to: run.upperBound, by: edge) {
        let rows = min(edge, run.upperBound - start)
        for column in Swift.stride(from: 0, to: columns, by: edge) {
          let count = min(edge, columns - column)
          let block = ElementBlock(
            first: start * columns + column, rowCount: rows, columnCount: count, stride: columns, isTransposed: false)
          let mirrored = ElementBlock(
            first: (turned.runs[0].lowerBound + column) * turned.rowLength + row, rowCount: count, columnCount: rows,
            stride: turned.rowLength, isTransposed: true)
          result.append(one.isTransposed ? (mirrored, block) : (block, mirrored))
        }
        row += rows
      }
    }
    return result
  }

  /// The longest runs of rows that are neighbors on both sides.
  private static func common(
    _ left: [Range<Int>], _ right: [Range<Int>]
  ) -> [(left: Range<Int>, right: Range<Int>)] {
    var result: [(left: Range<Int>, right: Range<Int>)] = []
    var (one, other) = (left[...], right[...])
    while let mine = one.first, let theirs = other.first {
      let count = min(mine.count, theirs.count)
      if count > 0 {
        result.append((mine.lowerBound..<mine.lowerBound + count, theirs.lowerBound..<theirs.lowerBound + count))
      }
      one[one.startIndex] = mine.lowerBound + count..<mine.upperBound
      other[other.startIndex] = theirs.lowerBound + count..<theirs.upperBound
      if one[one.startIndex].isEmpty { one.removeFirst() }
      if !other[other.startIndex].isEmpty { continue }
      other.removeFirst()
    }
    return result
  }
}

/// A part as rows of its tensor.
private struct PartRows {
  let runs: [Range<Int>]
  /// Elements of a row.
  let rowLength: Int
  let isTransposed: Bool

  init(_ part: ModelDifference.Part) {
    isTransposed = part.isTransposed
    // Of a transposed matrix the tensor's rows are the part's columns.
    let rows = part.isTransposed ? part.shape[1] : part.shape.first ?? 1
    runs = part.rows ?? [0..<rows]
    rowLength = rows == 0 ? 0 : part.elementCount / rows
  }
}
