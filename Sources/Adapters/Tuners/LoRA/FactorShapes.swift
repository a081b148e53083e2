import Safetensors

/// The sizes of one of LoRA's updates, agreed on by its tensors and its rank.
struct FactorShapes {
  /// How the factors make up the update.
  enum Kind: Equatable {
    /// `B A`, with A (rank, in) and B (out, rank).
    case linear
    /// `(B A)` transposed, with A (rank, vocabulary) and B (dimension, rank).
    case embedding
    /// `B A` in the shape of the weight, with A (rank, in, *kernel) and B (out, rank, 1, ...). For a convolution in groups
    /// B is (out, rank / groups, 1, ...).
    case convolution(kernel: [Int])
    /// A parameter that stacks `count` experts: A (rank * count, x) and B (y, rank * count), or with
    /// ``FactorShapes/stack`` a matrix for each.
    case experts(count: Int)
  }

  let kind: Kind
  let inFeatures: Int
  let outFeatures: Int
  var groups = 1
  /// How factors of three dimensions lie; nil: they have two, or are a convolution's.
  var stack: FactorStack?

  /// What the config says about a layer's rank.
  struct Rank {
    let value: Int
    /// The key of `rank_pattern` that it comes from; nil: `r`.
    let pattern: String?
  }

  private let path: String

  /// Checks dtypes, and dimensions against each other and against `rank`, which the scaling depends on.
  ///
  /// - Parameter stacksExperts: Whether A may have a multiple of `rank` rows.
  init(
    a: TensorInfo, b: TensorInfo, rank: Rank, isEmbedding: Bool, stacksExperts: Bool, blocks: BlockDiagonal?,
    path: String
  ) throws(AdapterError) {
    self.path = path
    for tensor in [a, b] {
      try Self.checkDType(tensor, path: path)
      // The dimensions of an empty tensor are bounded by nothing: 2^40 experts would cost no byte of a file.
      if tensor.shape.contains(0) {
        throw AdapterError(path: path, .shape(expected: "without zeros", found: tensor.shape), tensor: tensor.name)
      }
    }
    if !isEmbedding, !stacksExperts, blocks == nil, (3...5).contains(a.shape.count) {
      (kind, inFeatures, outFeatures, groups) = try Self.convolution(a: a, b: b, rank: rank, path: path)
      return
    }
    let count = stacksExperts ? try Self.expertCount(a: a, rank: rank, path: path) : 1
    let stored = rank.value * count
    let columnsB = blocks?.b == true ? stored / (blocks?.blocks ?? 1) : stored
    let (input, output) = isEmbedding ? ("vocabulary", "dimension") : ("in", "out")
    let columnsA = blocks?.a == true ? "\(input) / \(blocks?.blocks ?? 1)" : input
    try Self.checkMatrix(a, expected: "(\(stored), \(columnsA))", axis: 0, size: stored, rank: rank, path: path)
    try Self.checkMatrix(b, expected: "(\(output), \(columnsB))", axis: 1, size: columnsB, rank: rank, path: path)
    if let blocks { try Self.checkBlocks(blocks, b: b, rank: rank, path: path) }
    let (width, overflow) = a.shape[1].multipliedReportingOverflow(by: blocks?.a == true ? blocks?.blocks ?? 1 : 1)
    if overflow { throw AdapterError(path: path, .shape(expected: "fewer columns", found: a.shape), tensor: a.name) }
    inFeatures = width
    outFeatures = b.shape[0]
    kind = isEmbedding ? .embedding : count > 1 ? .experts(count: count) : .linear
  }

  static func checkDType(_ tensor: TensorInfo, path: String) throws(AdapterError) {
    guard [.f32, .f16, .bf16, .f64, .f8E4M3, .f8E5M2].contains(tensor.dtype) else {
      throw AdapterError(path: path, .dtype(tensor.dtype), tensor: tensor.name)
    }
  }

  /// Factors of three dimensions for a stack of experts: A (experts or 1, rank, in), B (experts or 1, out, rank).
  init(stackedA a: TensorInfo, b: TensorInfo, rank: Rank, path: String) throws(AdapterError) {
    self.path = path
    for tensor in [a, b] {
      try Self.checkDType(tensor, path: path)
      if tensor.shape.contains(0) {
        throw AdapterError(path: path, .shape(expected: "without zeros", found: tensor.shape), tensor: tensor.name)
      }
    }
    guard a.shape.count == 3 else {
      throw AdapterError(
        path: path, .shape(expected: "(experts, \(rank.value), in)", found: a.shape), tensor: a.name)
    }
    let count = max(a.shape[0], b.shape[0])
    guard b.shape.count == 3, b.shape[0] == count || b.shape[0] == 1, a.shape[0] == count || a.shape[0] == 1 else {
      throw AdapterError(
        path: path, .shape(expected: "(\(a.shape[0]), out, \(rank.value))", found: b.shape), tensor: b.name)
    }
    for (tensor, axis) in [(a, 1), (b, 2)] where tensor.shape[axis] != rank.value {
      throw AdapterError(
        path: path,
        .rank(expected: rank.value, found: tensor.shape[axis], shape: tensor.shape, pattern: rank.pattern),
        tensor: tensor.name)
    }
    inFeatures = a.shape[2]
    outFeatures = b.shape[1]
    kind = .experts(count: count)
    stack = FactorStack(sharesA: a.shape[0] == 1 && count > 1, sharesB: b.shape[0] == 1 && count > 1)
  }

  /// Checks a vector with a value for each row of B: a bias, or magnitudes, which convolutions save with B's rank.
  ///
  /// - Parameter areOfColumns: Whether it has a value for each column of A: magnitudes of an embedding of MLX.
  func checkVector(
    _ tensor: TensorInfo, isMagnitude: Bool, areOfColumns: Bool = false
  ) throws(AdapterError) {
    try Self.checkDType(tensor, path: path)
    var expected = [areOfColumns ? inFeatures : outFeatures]
    if isMagnitude, case .convolution(let kernel) = kind {
      expected = [1, outFeatures] + kernel.map { _ in 1 }
    }
    if tensor.shape == expected { return }
    throw AdapterError(
      path: path, .shape(expected: AdapterError.text(expected), found: tensor.shape), tensor: tensor.name)
  }

  /// Checks KaSA's diagonal: a value for each of the rank.
  func checkDiagonal(_ tensor: TensorInfo, rank: Rank) throws(AdapterError) {
    try Self.checkDType(tensor, path: path)
    if tensor.shape == [rank.value] { return }
    throw AdapterError(
      path: path, .shape(expected: AdapterError.text([rank.value]), found: tensor.shape), tensor: tensor.name)
  }

  private static func expertCount(a: TensorInfo, rank: Rank, path: String) throws(AdapterError) -> Int {
    guard a.shape.count == 2 else {
      throw AdapterError(path: path, .shape(expected: "(experts * \(rank.value), in)", found: a.shape), tensor: a.name)
    }
    guard a.shape[0] > 0, a.shape[0] % rank.value == 0 else {
      throw AdapterError(
        path: path, .expertRank(rank: rank.value, found: a.shape[0], shape: a.shape, pattern: rank.pattern),
        tensor: a.name)
    }
    return a.shape[0] / rank.value
  }

  private static func checkMatrix(
    _ tensor: TensorInfo, expected: String, axis: Int, size: Int, rank: Rank, path: String
  ) throws(AdapterError) {
    guard tensor.shape.count == 2 else {
      throw AdapterError(path: path, .shape(expected: expected, found: tensor.shape), tensor: tensor.name)
    }
    guard tensor.shape[axis] != size else { return }
    if size != rank.value {
      throw AdapterError(path: path, .shape(expected: expected, found: tensor.shape), tensor: tensor.name)
    }
    throw AdapterError(
      path: path,
      .rank(expected: rank.value, found: tensor.shape[axis], shape: tensor.shape, pattern: rank.pattern),
      tensor: tensor.name)
  }

  private static func checkBlocks(
    _ blocks: BlockDiagonal, b: TensorInfo, rank: Rank, path: String
  ) throws(AdapterError) {
    let (size, name) = blocks.a ? (rank.value, "rank") : (b.shape[0], "number of rows")
    let isDivisible = size % blocks.blocks == 0 && rank.value % blocks.blocks == 0
    if isDivisible { return }
    throw AdapterError(path: path, .blocks(blocks.blocks, name, size: size), tensor: b.name)
  }

  private static func convolution(
    a: TensorInfo, b: TensorInfo, rank: Rank, path: String
  ) throws(AdapterError) -> (Kind, Int, Int, Int) {
    guard a.shape[0] == rank.value else {
      throw AdapterError(
        path: path, .rank(expected: rank.value, found: a.shape[0], shape: a.shape, pattern: rank.pattern),
        tensor: a.name)
    }
    let ones = [Int](repeating: 1, count: a.shape.count - 2)
    let onesText = ones.map { _ in ", 1" }.joined()
    guard b.shape.count == a.shape.count, Array(b.shape[2...]) == ones, b.shape[1] > 0 else {
      throw AdapterError(
        path: path, .shape(expected: "(out, \(rank.value)\(onesText))", found: b.shape), tensor: b.name)
    }
    // Each group has its own part of the rank and of the rows.
    let groups = rank.value / b.shape[1]
    guard groups * b.shape[1] == rank.value, b.shape[0] % groups == 0 else {
      throw AdapterError(
        path: path, .rank(expected: rank.value, found: b.shape[1], shape: b.shape, pattern: rank.pattern),
        tensor: b.name)
    }
    // Fits Int: the file holds the product of all dimensions.
    return (.convolution(kernel: Array(a.shape[2...])), a.shape[1...].reduce(1, &*), b.shape[0], groups)
  }
}
