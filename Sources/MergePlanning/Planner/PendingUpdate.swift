import Safetensors

/// What the adapters do to one tensor, gathered while they are matched.
struct PendingUpdate {
  /// The adapter's tensor that takes the base's place, with its shape.
  var replacement: (source: MergePlan.Source, shape: [Int], adapter: Int)?
  /// The tensor of the base that a new tensor starts from.
  var copyOf: TensorName?
  /// Whether the matrix is that of a convolution: the first dimension and all others.
  var isConvolution = false
  /// Whether it is an embedding's.
  var isEmbedding = false
  /// Whether its rows are the live weight's columns.
  var isStoredTransposed = false
  /// Whether a change comes from a live tensor that lies in other parts.
  var isSliced = false
  /// Of how many parts the rows lie by turns; the stages are of a matrix of so many times fewer rows and more columns.
  var interleaveCount = 1
  var decomposition: TensorUpdate.DecompositionStep?
  var stages: [TensorUpdate.Stage] = []
  var rows: [RowReplacement] = []
  /// The modules that change it, with the adapter of each.
  var users: [User] = []

  struct User {
    let module: String
    let adapter: Int
    /// The rows that it changes, of the tensor as a matrix.
    let rows: Range<Int>
    /// The columns that it changes; nil: all of these rows.
    var columns: Range<Int>?

    /// Whether both change an element, or may do so.
    func overlaps(rows otherRows: Range<Int>, columns otherColumns: Range<Int>?) -> Bool {
      guard rows.overlaps(otherRows) else { return false }
      guard let columns, let otherColumns else { return true }
      return columns.overlaps(otherColumns)
    }
  }

  /// Adds deltas: to those before them, unless a rescaling stands between.
  mutating func add(_ terms: [DeltaTerm], magnitude: TensorUpdate.Magnitude?) {
    if magnitude == nil, let last = stages.last, last.magnitude == nil {
      stages[stages.count - 1] = TensorUpdate.Stage(terms: last.terms + terms)
    } else {
      stages.append(TensorUpdate.Stage(terms: terms, magnitude: magnitude))
    }
  }
}
