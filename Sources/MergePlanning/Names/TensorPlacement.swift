import Safetensors

/// Where a tensor that an adapter names lies in the base.
struct TensorPlacement: Equatable {
  /// Rows of a tensor of the base that hold rows of the live one.
  struct Part: Equatable {
    let tensor: TensorName
    /// Of the live tensor as a matrix.
    let runtimeRows: Range<Int>
    /// The row of the base's tensor where they begin.
    let row: Int
    /// Whether the part lies with rows and columns exchanged: ``row`` is then still a row, and the part has all columns.
    let isTransposed: Bool
    /// The first of the base's columns that a part with exchanged rows and columns has.
    var column = 0
    /// Which of the base's columns belong to such a part.
    var columnTurn = FactorSpread.Turn.every
    /// Of how many parts the rows lie by turns, this one's being every so manyth from ``row`` + ``turn`` on; 1: its rows are
    /// neighbours.
    var interleaveCount = 1
    var turn = 0
    /// Of ``runtimeRows`` every so manyth belongs to the part, from the first on.
    var runtimeStride = 1

    /// How many rows it has.
    var count: Int { runtimeRows.count / runtimeStride + (runtimeRows.count % runtimeStride == 0 ? 0 : 1) }
    /// The columns that a part with exchanged rows and columns takes, those that lie by turns counted a part behind the
    /// other.
    var takenColumns: Range<Int> {
      let first = column + columnTurn.offset * count
      return first..<first + count
    }
    /// The rows that the part takes of its tensor, those that lie by turns counted a part behind the other.
    var rows: Range<Int> { row + turn * count..<row + (turn + 1) * count }
  }

  /// What the live model calls it.
  let name: TensorName
  /// The live tensor's shape.
  let shape: [Int]
  /// They cover all of the live tensor's rows, in their order.
  let parts: [Part]
  /// Nil: the base has the name.
  let rule: String?

  /// The one tensor of the base that it is, as it is; nil: it is parts of some.
  let whole: TensorName?
}

extension TensorPlacement {
  /// The same, found with another rule before.
  func adding(_ other: String?) -> TensorPlacement {
    guard let other else { return self }
    return TensorPlacement(
      name: name, shape: shape, parts: parts, rule: rule.map { "\(other); \($0)" } ?? other, whole: whole)
  }
}
