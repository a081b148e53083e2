import ImageModels
import Safetensors

/// Which tensor, or which rows of a tensor, of one side is which of the other's.
///
/// Tensors of the same name are the same. Two image models with other names are matched by the tables of their architecture; what these
/// leave is matched by name.
struct TensorMatching {
  typealias Part = ModelDifference.Part

  /// Sorted by name; rows of one tensor by their place in it.
  let tensors: [ModelDifference.Tensor]
  /// Nil: by name alone.
  let spelling: ModelDifference.Spelling?

  init(_ one: DifferenceSide, _ other: DifferenceSide) {
    var found: [ModelDifference.Tensor] = []
    var (left, right) = (CoveredRows(), CoveredRows())
    var matching: ParameterMatching?
    if Set(one.places.keys) != Set(other.places.keys), let model = one.imageModel, let other = other.imageModel {
      matching = ParameterMatching(model, other)
    }
    for pair in matching?.pairs ?? [] {
      guard let mine = Self.part(pair.left, one), let theirs = Self.part(pair.right, other) else { continue }
      found.append(ModelDifference.Tensor(left: mine, right: theirs, values: nil))
      left.add(pair.left)
      right.add(pair.right)
    }
    for name in Set(one.places.keys).union(other.places.keys) {
      let mine = one.info(name).flatMap { left.rest(of: $0) }
      let theirs = other.info(name).flatMap { right.rest(of: $0) }
      if let mine, let theirs, mine.rows == nil, theirs.rows == nil {
        found.append(ModelDifference.Tensor(left: mine, right: theirs, values: nil))
      } else {
        if let mine { found.append(ModelDifference.Tensor(left: mine, right: nil, values: nil)) }
        if let theirs { found.append(ModelDifference.Tensor(left: nil, right: theirs, values: nil)) }
      }
    }
    tensors = found.map { (tensor: $0, row: ($0.left ?? $0.right)?.rows?.first?.lowerBound ?? 0) }
      .sorted { ($0.tensor.name, $0.row) < ($1.tensor.name, $1.row) }.map(\.tensor)
    spelling = matching.map { matching in
      ModelDifference.Spelling(
        matches: matching.matches.map {
          ModelDifference.Spelling.Match(
            architecture: $0.architecture, left: $0.left.prefix, right: $0.right.prefix)
        },
        ambiguousLeft: matching.ambiguous.left.map(\.prefix), ambiguousRight: matching.ambiguous.right.map(\.prefix))
    }
  }

  /// The rows as a part of their tensor; nil: of elements smaller than a byte only whole tensors are compared.
  private static func part(_ rows: ParameterRows, _ side: DifferenceSide) -> Part? {
    guard let name = rows.tensor, let tensor = side.info(name), rows.isWhole || tensor.dtype.bitCount % 8 == 0 else {
      return nil
    }
    return Part(
      name: name, dtype: tensor.dtype, shape: rows.shape, rows: rows.isWhole ? nil : rows.runs.map(\.rows),
      isTransposed: rows.isTransposed)
  }
}

/// The rows of a side's tensors that are matched.
private struct CoveredRows {
  private var ranges: [TensorName: [Range<Int>]] = [:]

  mutating func add(_ parameter: ParameterRows) {
    for run in parameter.runs { ranges[run.tensor, default: []].append(run.rows) }
  }

  /// What of a tensor is not matched; nil: nothing.
  func rest(of tensor: TensorInfo) -> ModelDifference.Part? {
    guard let covered = ranges[tensor.name] else { return ModelDifference.Part(tensor) }
    let count = tensor.shape.first ?? 1
    var rest: [Range<Int>] = []
    var next = 0
    for range in covered.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > next { rest.append(next..<range.lowerBound) }
      next = max(next, range.upperBound)
    }
    if next < count { rest.append(next..<count) }
    guard !rest.isEmpty else { return nil }
    let shape = [rest.reduce(0) { $0 + $1.count }] + tensor.shape.dropFirst()
    return ModelDifference.Part(
      name: tensor.name, dtype: tensor.dtype, shape: shape, rows: rest, isTransposed: false)
  }
}
