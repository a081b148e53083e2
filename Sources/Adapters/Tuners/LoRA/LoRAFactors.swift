/// The factors of one of LoRA's updates, and the steps that they make.
struct LoRAFactors {
  /// Where A and B are in the adapter's tensor table.
  let a: Int
  let b: Int
  /// Of each expert.
  let rank: Int
  let shapes: FactorShapes
  /// Whether A is stored (in, rank) and B (rank, out), as MLX writes them.
  let areTransposed: Bool
  /// Which factor is stored as the blocks of its diagonal (BD-LoRA); nil: none.
  let blocks: BlockDiagonal?
  /// KaSA's diagonal, (rank), which makes the update `s (B diag) A`; nil for other adapters.
  let diagonal: Int?
  /// DoRA's magnitudes, one for each row of B, or of an embedding of MLX for each column of A; nil: there are none.
  let magnitude: Int?
  /// How B's columns are ordered in a stack of experts.
  let expertLayout: ExpertLayout
  /// What is taken out of the weight first; nil: nothing.
  let decomposition: DecompositionStep?

  var layout: ModuleUpdate.Layout {
    switch shapes.kind {
    case .linear: .linear
    case .embedding: .embedding
    case .convolution(let kernel): .convolution(kernel: kernel, groups: shapes.groups)
    case .experts(let count): .experts(count: count, columns: shapes.stack == nil ? expertLayout : nil)
    }
  }

  var steps: [UpdateStep<Factor>] {
    let addition = Addition(terms)
    // MLX's norms are those of the rows of the embedding, PEFT's those of its columns.
    let areOfColumns = areTransposed && shapes.kind == .embedding
    let count = areOfColumns ? shapes.inFeatures : shapes.outFeatures
    let magnitudes = magnitude.map { Factor.rowMajor($0, rows: 1, columns: count) }
    return [decomposition.map { .subtract($0) }].compactMap { $0 } + [
      magnitudes.map { .rescale(Rescaling(addition, along: areOfColumns ? .columns : .rows, to: $0)) }
        ?? .add(addition)
    ]
  }

  private var terms: [Term<Factor>] {
    if case .experts(let count) = shapes.kind { return (0..<count).map { expertTerm($0, of: count) } }
    // The groups of a convolution are blocks of B too: B is (out, rank / groups, 1, ...).
    let groups = shapes.groups > 1 ? BlockDiagonal(a: false, b: true, blocks: shapes.groups) : nil
    if let blocks = blocks ?? groups { return (0..<blocks.blocks).map { blockTerm($0, of: blocks) } }
    let (rows, columns) = (shapes.outFeatures, shapes.inFeatures)
    let left =
      areTransposed
      ? Factor.rowMajor(b, rows: rank, columns: rows).transposed : .rowMajor(b, rows: rows, columns: rank)
    let right =
      areTransposed
      ? Factor.rowMajor(a, rows: columns, columns: rank).transposed : .rowMajor(a, rows: rank, columns: columns)
    return [
      Term(
        rows: 0..<rows, columns: 0..<columns,
        .product(
          left: left, right: right, diagonal: diagonal.map { Factor.rowMajor($0, rows: 1, columns: rank) }),
        scaling: 1)
    ]
  }

  /// One block of the product where one of the factors is block-diagonal: outside of the blocks it is zero.
  private func blockTerm(_ block: Int, of diagonal: BlockDiagonal) -> Term<Factor> {
    let (rows, columns) = (shapes.outFeatures, shapes.inFeatures)
    let chunk = rank / diagonal.blocks
    if diagonal.a {
      // A is stored (rank, columns / blocks): its rows of this block belong to the block's columns.
      let width = columns / diagonal.blocks
      return Term(
        rows: 0..<rows, columns: block * width..<(block + 1) * width,
        .product(
          left: Factor(b, rows: rows, columns: chunk, offset: block * chunk, rowStride: rank, columnStride: 1),
          right: Factor(
            a, rows: chunk, columns: width, offset: block * chunk * width, rowStride: width, columnStride: 1)),
        scaling: 1)
    }
    // B is stored (rows, rank / blocks): the block's rows of the result take A's rows of this block.
    let height = rows / diagonal.blocks
    return Term(
      rows: block * height..<(block + 1) * height, columns: 0..<columns,
      .product(
        left: Factor(
          b, rows: height, columns: chunk, offset: block * height * chunk, rowStride: chunk, columnStride: 1),
        right: Factor(
          a, rows: chunk, columns: columns, offset: block * chunk * columns, rowStride: columns, columnStride: 1)),
      scaling: 1)
  }

  /// The product of one expert. A's rows are expert by expert, B's columns component by component in PEFT.
  private func expertTerm(_ expert: Int, of count: Int) -> Term<Factor> {
    let (rows, columns) = (shapes.outFeatures, shapes.inFeatures)
    let left: Factor
    var firstOfA = expert * rank * columns
    if let stack = shapes.stack {
      left = Factor(
        b, rows: rows, columns: rank, offset: stack.sharesB ? 0 : expert * rows * rank, rowStride: rank,
        columnStride: 1)
      if stack.sharesA { firstOfA = 0 }
    } else {
      left = Factor(b, rows: rows, columns: rank, expert: expert, of: count, ordered: expertLayout)
    }
    return Term(
      rows: expert * rows..<(expert + 1) * rows, columns: 0..<columns,
      .product(
        left: left,
        right: Factor(a, rows: rank, columns: columns, offset: firstOfA, rowStride: columns, columnStride: 1)),
      scaling: 1)
  }
}

/// Factors of three dimensions, as Tinker, Megatron-Bridge and SkyRL write them: A (experts, rank, in) and B
/// (experts, out, rank).
struct FactorStack: Equatable {
  /// All experts have one A: (1, rank, in).
  let sharesA: Bool
  /// All experts have one B: (1, out, rank).
  let sharesB: Bool
}

/// A factor that is stored as the blocks of its diagonal.
///
/// Source: PEFT 0.21.2 `BlockDiagonalLinear`: chunk n of the stored rows is the n-th block.
struct BlockDiagonal: Equatable {
  /// A is stored as (rank, in / blocks).
  let a: Bool
  /// B is stored as (out, rank / blocks).
  let b: Bool
  let blocks: Int
}
