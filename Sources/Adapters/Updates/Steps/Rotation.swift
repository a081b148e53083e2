/// A multiplication of the weight from the right, row by row: `W' = W M`. The rows of ``Form/bands(blocks:size:)`` have a
/// matrix for each band, and something is added to them.
public struct Rotation<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// How M follows from the matrices of an adapter.
  public enum Form: Equatable, Sendable {
    /// Blocks along the diagonal. Each row of `entries` has the elements above the diagonal of a skew-symmetric matrix Q of `size`
    /// rows, row after row, and makes a block; one row makes all blocks. OFT.
    case blocks(entries: Operand, size: Int, Cayley)
    /// The reflections `I - 2 u u^T` one after another, u being the columns of the matrix, each made as long as 1 before; with
    /// `areOrthogonal` each is made orthogonal to those before it first (Gram and Schmidt). HRA.
    case reflections(Operand, areOrthogonal: Bool)
    /// Neighboring factors of a butterfly, the first of `level`, as one matrix. Each row of a factor is a matrix R of `size` rows,
    /// row after row, whose skew-symmetric half `Q = (R - R^T) / 2` makes a block `(I - Q) (I + Q)^-1`, by the transposed of
    /// which the weight is multiplied. With `h = 2^level` the columns are cut into groups of 2 h parts of `size / 2` columns, and
    /// block d of a group is of its parts d and d + h; at level 0 these are the columns of a block along the diagonal. So the
    /// product of n factors is of blocks of `size * 2^(n - 1)` columns. BOFT.
    case butterfly([Operand], size: Int, level: Int)
    /// Rows in bands of `size`, each with a block of so many rows, which stand below each other in `blocks`: a row x becomes
    /// `x + (x D + m)`, D having the band's block as often along the diagonal as the columns hold it, and m being as many times
    /// the block's row that the row has in its band. MiSS in its form "bat".
    case bands(blocks: Operand, size: Int)
    /// `I + scaling left right`, `left` being columns x rank and `right` rank x columns: GLoRA of LyCORIS. The columns of a
    /// convolution stand for so many positions of the kernel each, as the last index, and the matrix is that of one position.
    case lowRank(left: Operand, right: Operand, scaling: Float, positions: Int)
  }

  public let form: Form

  public init(_ form: Form) { self.form = form }

  /// Every matrix that it reads.
  public var operands: [Operand] {
    switch form {
    case .blocks(let entries, _, _): [entries]
    case .reflections(let vectors, _): [vectors]
    case .butterfly(let factors, _, _): factors
    case .bands(let blocks, _): [blocks]
    case .lowRank(let left, let right, _, _): [left, right]
    }
  }

  /// The same rotation with the scaling of what it adds multiplied, in double; the rotation as it is where it has none.
  package func scaled(by factor: Double) -> Rotation {
    guard case .lowRank(let left, let right, let scaling, let positions) = form else { return self }
    return Rotation(
      .lowRank(left: left, right: right, scaling: Float(factor * Double(scaling)), positions: positions))
  }

  /// The same rotation of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> Rotation<Other> {
    switch form {
    case .blocks(let entries, let size, let cayley):
      return Rotation<Other>(.blocks(entries: try transform(entries), size: size, cayley))
    case .reflections(let vectors, let areOrthogonal):
      return Rotation<Other>(.reflections(try transform(vectors), areOrthogonal: areOrthogonal))
    case .butterfly(let factors, let size, let level):
      return Rotation<Other>(.butterfly(try factors.map(transform), size: size, level: level))
    case .bands(let blocks, let size):
      return Rotation<Other>(.bands(blocks: try transform(blocks), size: size))
    case .lowRank(let left, let right, let scaling, let positions):
      return Rotation<Other>(
        .lowRank(left: try transform(left), right: try transform(right), scaling: scaling, positions: positions))
    }
  }
}

/// How a block of a rotation follows from a skew-symmetric matrix Q: `(I - Q) (I + Q)^-1`, or the beginning of its series.
public struct Cayley: Equatable, Sendable {
  /// `num_cayley_neumann_terms`: with t above 2 the block is `I + 2 Q + 2 Q^2 + ... + Q^n`, n being t - 1, but no less than 3; with
  /// 2 `I + 2 Q`, with 1 `I`. Nil: the inverse.
  public let terms: Int?
  /// The largest norm that Q may have: one of a larger norm is made as short. Nil: any.
  public let limit: Double?
  /// Whether the weight is multiplied by the transposed block.
  public let isTransposed: Bool

  public init(terms: Int?, limit: Double?, isTransposed: Bool) {
    self.terms = terms
    self.limit = limit
    self.isTransposed = isTransposed
  }
}
