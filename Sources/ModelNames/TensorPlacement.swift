import Adapters
import Safetensors

/// Where a tensor that an adapter names lies in the base.
package struct TensorPlacement: Equatable, Sendable {
  /// Rows of a tensor of the base that hold rows of the runtime tensor.
  package struct Part: Equatable, Sendable {
    package let tensor: TensorName
    /// Of the runtime tensor as a matrix.
    package let runtimeRows: Range<Int>
    /// The row of the base's tensor where they begin.
    package let row: Int
    /// Whether the part lies with rows and columns exchanged: ``row`` is then still a row, and the part has all columns.
    package let isTransposed: Bool
    /// The first of the base's columns that a part with exchanged rows and columns has.
    package var column = 0
    /// Which of the base's columns belong to such a part.
    package var columnTurn = Turn.every
    /// How many parts share the tensor's rows alternately; this one has the rows at ``row`` + ``turn`` and every
    /// `interleaveCount` rows after that. 1: its rows are neighbors.
    package var interleaveCount = 1
    package var turn = 0
    /// The distance between the part's rows in ``runtimeRows``, which begin with the first.
    package var runtimeStride = 1

    /// A part whose rows are neighbors.
    package init(
      _ tensor: TensorName, runtimeRows: Range<Int>, row: Int, isTransposed: Bool = false
    ) {
      self.tensor = tensor
      self.runtimeRows = runtimeRows
      self.row = row
      self.isTransposed = isTransposed
    }

    /// A part whose rows are interleaved with those of another one.
    package init(_ tensor: TensorName, runtimeRows: Range<Int>, row: Int, turn: Int, runtimeStride: Int = 1) {
      self.init(tensor, runtimeRows: runtimeRows, row: row)
      interleaveCount = 2
      self.turn = turn
      self.runtimeStride = runtimeStride
    }

    /// How many rows it has.
    package var count: Int {
      runtimeRows.count / runtimeStride + (runtimeRows.count % runtimeStride == 0 ? 0 : 1)
    }

    /// The columns that a part with exchanged rows and columns takes. Those that are interleaved are counted one part behind the
    /// other.
    package var takenColumns: Range<Int> {
      let first = column + columnTurn.offset * count
      return first..<first + count
    }

    /// The rows that the part takes of its tensor. Those that are interleaved are counted one part behind the other.
    package var rows: Range<Int> { row + turn * count..<row + (turn + 1) * count }
  }

  /// What the runtime model calls it.
  package let name: TensorName
  /// The runtime tensor's shape.
  package let shape: [Int]
  /// They cover all of the runtime tensor's rows, in their order.
  package let parts: [Part]
  /// The rules that found it; nil: the base has the name.
  package let rule: String?
  /// The one tensor of the base that it is, as it is; nil: it is made of parts.
  package let whole: TensorName?

  /// A runtime tensor that the base has in other parts.
  package init(name: TensorName, shape: [Int], parts: [Part], rule: String?) {
    self.init(name: name, shape: shape, parts: parts, rule: rule, whole: nil)
  }

  /// A runtime tensor that is one of the base's.
  package init(whole tensor: TensorName, as name: TensorName, shape: [Int], rule: String?) {
    // Of an empty tensor's dimensions no product may be formed.
    let rows = shape.contains(0) ? 0 : shape.dropLast().reduce(1, *)
    self.init(
      name: name, shape: shape, parts: [Part(tensor, runtimeRows: 0..<rows, row: 0)], rule: rule, whole: tensor)
  }

  private init(name: TensorName, shape: [Int], parts: [Part], rule: String?, whole: TensorName?) {
    self.name = name
    self.shape = shape
    self.parts = parts
    self.rule = rule
    self.whole = whole
  }

  /// The same place, found with another rule before.
  func adding(_ other: String?) -> TensorPlacement {
    guard let other else { return self }
    return TensorPlacement(
      name: name, shape: shape, parts: parts, rule: rule.map { "\(other); \($0)" } ?? other, whole: whole)
  }
}
