import Adapters
import Safetensors

/// The updates of one tensor, gathered while the adapters are matched.
struct PendingUpdate {
  /// The adapter's tensor that takes the base's place, with its shape.
  var replacement: (source: MergePlan.Source, shape: [Int], adapter: Int)?
  /// The shape that the base's tensor is padded to with zeros first; nil: it is as it is.
  var paddedShape: [Int]?
  /// The tensor of the base that a new tensor starts from.
  var copyOf: TensorName?
  /// Whether the matrix is that of a convolution: the first dimension and all others.
  var isConvolution = false
  /// Whether it is an embedding's.
  var isEmbedding = false
  /// Whether its rows are the weight at run time's columns.
  var isStoredTransposed = false
  /// Whether a change comes from a tensor at run time that lies in other parts.
  var isSliced = false
  /// Of how many parts the rows are interleaved; the steps are of a matrix of so many times fewer rows and more columns.
  var interleaveCount = 1
  /// What is taken out of the tensor before the steps; nil: nothing.
  var decomposition: DecompositionStep?
  /// What is computed, in this order.
  var steps: [TensorUpdate.Step] = []
  /// The rows that are written over after the steps.
  var rows: [RowReplacement<FactorView>] = []
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

  /// Whether several adapters change it, and their order counts.
  var isOrdered: Bool { Set(users.map(\.adapter)).count > 1 && steps.contains { $0.isOrdered } }

  /// Adds steps: a delta to those before it, unless another step stands between.
  mutating func add(_ added: [TensorUpdate.Step]) {
    for step in added {
      if case .add(let addition) = step, addition.isPlain, case .add(let last)? = steps.last, last.isPlain {
        steps[steps.count - 1] = .add(last.with(last.terms + addition.terms))
      } else {
        steps.append(step)
      }
    }
  }

  /// Adds steps with PEFT's roundings. What multiplies the weight as it was, HiRA's delta, is added up over all adapters before it
  /// does.
  mutating func addRounded(_ added: [TensorUpdate.Step]) {
    if added.count == 2, case .add(let addition) = added[0], steps.count > 1, steps.last == added[1],
      case .add(let last) = steps[steps.count - 2],
      [last, addition].allSatisfy({ $0.multipliesWeight && $0.shift.isEmpty && $0.scaling == nil })
    {
      steps[steps.count - 2] = .add(last.with(last.terms + addition.terms))
    } else {
      steps += added
    }
  }

  /// Writes rows over, in their order.
  mutating func replace(_ replacements: [RowReplacement<FactorView>], user: User) {
    rows += replacements
    rows.sort { $0.row < $1.row }
    users.append(user)
  }

  /// Whether anything is done to the tensor.
  var changesTensor: Bool { replacement != nil || decomposition != nil || !steps.isEmpty || !rows.isEmpty }

  /// The matrix that the steps are of, for a tensor of this shape.
  func matrix(of shape: [Int]) -> (rows: Int, columns: Int) {
    let (rows, columns) =
      isConvolution ? (shape[0], shape.dropFirst().reduce(1, *)) : TensorUpdate.matrix(of: shape)
    return (rows / interleaveCount, columns * interleaveCount)
  }

  /// Everything that is done to a tensor of these rows and columns.
  ///
  /// - Parameter first: A step before the others, on the tensor that replaces the base's.
  func update(rows rowCount: Int, columns: Int, first: TensorUpdate.Step? = nil) -> TensorUpdate {
    var all = decomposition.map { [TensorUpdate.Step.subtract($0)] } ?? []
    all += [first].compactMap { $0 } + steps
    if !rows.isEmpty { all.append(.replaceRows(rows)) }
    return TensorUpdate(rows: rowCount, columns: columns, steps: all)
  }
}
