/// A multiplication of the weight from the left, block by block: each block of rows X becomes `M X`. LyCORIS's diag-OFT and
/// BOFT.
///
/// `M = (I - Q) (I + Q)^-1`, or its transposed matrix, `Q = B - B^T` being skew-symmetric.
///
/// Sources: Qiu et al., OFT, arXiv:2306.07280; Liu et al., BOFT, arXiv:2311.06243; lycoris-lora 4.1.3 `DiagOFTModule`,
/// `ButterflyOFTModule`.
public struct BlockMixing<Operand: Equatable & Sendable>: Equatable, Sendable {
  /// The bound of the norm of all Q together.
  public struct Limit: Equatable, Sendable {
    /// The norm, with 1e-8 added, is no larger than this.
    public let norm: Double
    /// Whether Q is scaled in any case, by `(min(n, norm) + 1e-8) / (n + 1e-8)` with n its norm, as kohya's OFT is; otherwise by
    /// `norm / (n + 1e-8)` where that is below 1.
    public let isAlwaysApplied: Bool

    public init(norm: Double, isAlwaysApplied: Bool) {
      self.norm = norm
      self.isAlwaysApplied = isAlwaysApplied
    }
  }

  /// B of every block, also of those that other steps use: a row has the elements of one, row after row.
  public let blocks: Operand
  /// Rows of a block.
  public let size: Int
  /// The rows of ``blocks`` that are used here, a block of the tensor's rows each.
  public let used: Range<Int>
  /// With `h = 2^level size / 2` the rows are cut into groups of 2 h, and a group's row k of the first h and row k of the last h
  /// lie beside each other before blocks of neighbors are taken. Nil: the tensor's neighbors are blocks.
  public let level: Int?
  /// Nil: Q is taken as it is.
  public let limit: Limit?
  /// Whether M is transposed.
  public let isTransposed: Bool

  public init(
    blocks: Operand, size: Int, used: Range<Int>, level: Int? = nil, limit: Limit? = nil, isTransposed: Bool = false
  ) {
    self.blocks = blocks
    self.size = size
    self.used = used
    self.level = level
    self.limit = limit
    self.isTransposed = isTransposed
  }

  /// How many rows belong together: none of them can be computed without the others.
  package var groupSize: Int { size << (level ?? 0) }

  /// The same mixing of these rows alone; nil: a group of them is not among them whole.
  package func rows(_ rows: Range<Int>) -> BlockMixing? {
    guard rows.lowerBound % groupSize == 0, rows.count % groupSize == 0 else { return nil }
    let first = used.lowerBound + rows.lowerBound / size
    return BlockMixing(
      blocks: blocks, size: size, used: first..<first + rows.count / size, level: level, limit: limit,
      isTransposed: isTransposed)
  }

  /// The same mixing of other operands.
  package func map<Other, Failure: Error>(
    _ transform: (Operand) throws(Failure) -> Other
  ) throws(Failure) -> BlockMixing<Other> {
    BlockMixing<Other>(
      blocks: try transform(blocks), size: size, used: used, level: level,
      limit: limit.map { BlockMixing<Other>.Limit(norm: $0.norm, isAlwaysApplied: $0.isAlwaysApplied) },
      isTransposed: isTransposed)
  }
}
