/// Why a kernel refused its arguments. Nothing has been written when it is thrown.
public enum ShapeError: Error, Equatable, Sendable {
  /// What was too short, or had another size than the other arguments ask for.
  public enum Argument: String, Sendable {
    case source, destination, weight, delta, output, values, left, packed, factor
    case vectors, products, sums, norms, squares, factors, base, intended, statistics, blocks
  }

  /// The argument must have exactly `expected` elements (bytes for raw spans).
  case wrongCount(Argument, expected: Int, found: Int)
  /// The argument must have at least `needed` elements (bytes for raw spans).
  case tooShort(Argument, needed: Int, found: Int)
  /// A number that must not be negative is.
  case negative(String, Int)
  /// Rows that are `stride` elements apart but `columns` long would overlap.
  case rowsOverlap(stride: Int, columns: Int)
  /// A range that reaches past the end: of the panels of a factor, or of its rows.
  case outOfRange(String, Range<Int>, count: Int)
  /// The sizes are so large that an element's position is not an `Int`.
  case overflow(Argument)
}

extension ShapeError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .wrongCount(let argument, let expected, let found):
      "\(argument.rawValue) has size \(found), expected \(expected)"
    case .tooShort(let argument, let needed, let found):
      "\(argument.rawValue) has size \(found), at least \(needed) is needed"
    case .negative(let name, let value):
      "\(name) is negative: \(value)"
    case .rowsOverlap(let stride, let columns):
      "a row stride of \(stride) is less than the \(columns) columns of a row"
    case .outOfRange(let name, let range, let count):
      "\(name) \(range) reach outside 0..<\(count)"
    case .overflow(let argument):
      "the sizes of \(argument.rawValue) overflow"
    }
  }
}

/// The number of elements that `rows` rows of `columns` elements span when they start `stride` elements apart, the first
/// at `offset`; 0 if there is no element.
func extent(
  of argument: ShapeError.Argument, offset: Int, rows: Int, rowStride: Int, columns: Int, columnStride: Int = 1
) throws(ShapeError) -> Int {
  guard rows > 0, columns > 0 else { return 0 }
  let (lastRow, rowOverflow) = (rows - 1).multipliedReportingOverflow(by: rowStride)
  let (lastColumn, columnOverflow) = (columns - 1).multipliedReportingOverflow(by: columnStride)
  let (last, lastOverflow) = lastRow.addingReportingOverflow(lastColumn)
  let (position, positionOverflow) = last.addingReportingOverflow(offset)
  let (count, countOverflow) = position.addingReportingOverflow(1)
  if rowOverflow || columnOverflow || lastOverflow || positionOverflow || countOverflow { throw .overflow(argument) }
  return count
}

func product(_ a: Int, _ b: Int, of argument: ShapeError.Argument) throws(ShapeError) -> Int {
  let (value, overflow) = a.multipliedReportingOverflow(by: b)
  if overflow { throw .overflow(argument) }
  return value
}

func requireNotNegative(_ name: String, _ value: Int) throws(ShapeError) {
  guard value >= 0 else { throw .negative(name, value) }
}

func require(_ argument: ShapeError.Argument, _ found: Int, atLeast needed: Int) throws(ShapeError) {
  guard found >= needed else { throw .tooShort(argument, needed: needed, found: found) }
}

func require(_ argument: ShapeError.Argument, _ found: Int, exactly expected: Int) throws(ShapeError) {
  guard found == expected else { throw .wrongCount(argument, expected: expected, found: found) }
}
