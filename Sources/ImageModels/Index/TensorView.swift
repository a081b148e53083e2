/// A parameter as rows of a component's tensors.
struct TensorView: Sendable, Equatable {
  /// Adjacent rows of a tensor.
  struct Run: Sendable, Equatable {
    /// The tensor's place in the component's list.
    let tensor: Int
    /// Of the tensor's first dimension.
    var rows: Range<Int>
  }

  /// In the parameter's order. A tensor without dimensions is one row.
  private(set) var runs: [Run]
  private(set) var isTransposed = false
  private(set) var shape: [Int]

  /// A tensor as it is.
  init(tensor: Int, shape: [Int]) {
    runs = [Run(tensor: tensor, rows: 0..<(shape.first ?? 1))]
    self.shape = shape
  }

  /// How many rows it has.
  var rowCount: Int { shape.first ?? 1 }

  /// What a row of it is like.
  var rowShape: ArraySlice<Int> { shape.dropFirst() }

  /// Rows of it; nil: it does not have them, or its columns are another tensor's rows.
  func rows(_ range: Range<Int>) -> TensorView? {
    guard !isTransposed, range.lowerBound >= 0, range.upperBound <= rowCount, !shape.isEmpty else { return nil }
    var result = self
    result.runs = []
    result.shape[0] = range.count
    var first = 0
    for run in runs {
      let common = range.clamped(to: first..<first + run.rows.count)
      if !common.isEmpty {
        let start = run.rows.lowerBound + common.lowerBound - first
        result.append(Run(tensor: run.tensor, rows: start..<start + common.count))
      }
      first += run.rows.count
    }
    return result
  }

  /// The rows of one behind those of the other; nil: they are of different shapes.
  func followed(by other: TensorView) -> TensorView? {
    guard !isTransposed, !other.isTransposed, !shape.isEmpty, rowShape == other.rowShape else { return nil }
    var result = self
    result.shape[0] += other.rowCount
    for run in other.runs { result.append(run) }
    return result
  }

  /// It with its halves exchanged; nil: it has no two equal halves.
  func swapped() -> TensorView? {
    guard rowCount % 2 == 0, let front = rows(0..<rowCount / 2), let back = rows(rowCount / 2..<rowCount) else {
      return nil
    }
    return back.followed(by: front)
  }

  /// It with rows and columns exchanged; nil: it is no matrix.
  func transposed() -> TensorView? {
    guard shape.count == 2, runs.count == 1 else { return nil }
    var result = self
    result.isTransposed.toggle()
    result.shape.reverse()
    return result
  }

  /// A kernel of one element as the matrix that it is; nil: the kernel has more elements.
  func withoutKernel() -> TensorView? {
    guard shape.dropFirst(2).allSatisfy({ $0 == 1 }) else { return nil }
    var result = self
    result.shape = Array(shape.prefix(2))
    return result
  }

  /// A matrix as a kernel of one element; what has one dimension stays.
  func withKernel() -> TensorView? {
    guard shape.count <= 2 else { return nil }
    var result = self
    if shape.count == 2 { result.shape += [1, 1] }
    return result
  }

  private mutating func append(_ run: Run) {
    if let last = runs.last, last.tensor == run.tensor, last.rows.upperBound == run.rows.lowerBound {
      runs[runs.count - 1].rows = last.rows.lowerBound..<run.rows.upperBound
    } else {
      runs.append(run)
    }
  }
}
