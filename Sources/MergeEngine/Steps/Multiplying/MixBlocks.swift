import Adapters
import MergePlanning
import TileKernels

/// Multiplies blocks of rows from the left, `X + D X`: D, the matrix less the identity, is computed in double and rounded to fp32, and
/// the products are summed in it.
struct MixBlocks: EngineStep {
  let mixing: BlockMixing<FactorView>

  func memory(_ place: StepPlace) -> StepMemory {
    let (size, columns) = (mixing.size, place.tensor.update.columns)
    let packed = (try? PackedRight.byteCount(columns: columns, rank: size)) ?? 0
    var memory = StepMemory(
      perElement: StepMemory.values, shared: mixing.used.count * size * size * 4,
      work: mixing.blocks.rows * size * size * 12 + 6 * size * size * 8)
    memory.rows = packed + 3 * size * columns * 4
    memory.products = KernelSet.scratchByteCount(rows: size, rank: size)
    return memory
  }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    let (size, count) = (mixing.size, mixing.size * mixing.size)
    let entries = try context.widened(mixing.blocks)
    let factor = mixing.limit.map { self.factor(of: entries, within: $0) } ?? 1
    let cayley = Cayley(terms: nil, limit: nil, isTransposed: mixing.isTransposed)
    let matrices = mixing.used.map { block -> [Float] in
      let skew = (0..<count).map { factor * self.skew(entries, block, $0) }
      return CayleyBlock(skew: skew, size: size, cayley).elements.map { Float($0) }
    }
    prepared.steps.append(PreparedBlockMixing(matrices: matrices, size: size, group: mixing.level.map { size << $0 }))
  }

  /// An element of Q.
  private func skew(_ entries: [Float], _ block: Int, _ element: Int) -> Double {
    let (size, first) = (mixing.size, block * mixing.size * mixing.size)
    return Double(entries[first + element]) - Double(entries[first + element % size * size + element / size])
  }

  /// What the norm of every Q together is bounded by.
  private func factor(of entries: [Float], within limit: BlockMixing<FactorView>.Limit) -> Double {
    var square = 0.0
    for block in 0..<mixing.blocks.rows {
      for element in 0..<mixing.size * mixing.size {
        let value = skew(entries, block, element)
        square += value * value
      }
    }
    let norm = square.squareRoot()
    if limit.isAlwaysApplied { return (min(norm, limit.norm) + 1e-8) / (norm + 1e-8) }
    return norm + 1e-8 > limit.norm ? limit.norm / (norm + 1e-8) : 1
  }
}

/// The matrices of the blocks less the identity, and which rows they take.
struct PreparedBlockMixing: ValueStep {
  /// Row after row.
  let matrices: [[Float]]
  let size: Int
  /// Rows among which pairs are brought together before blocks are taken; nil: blocks are of neighbors.
  let group: Int?

  var isSum: Bool { false }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    let columns = tile.columns
    var rows = buffers.scratch.parts.popLast() ?? FloatBuffer()
    var product = buffers.scratch.parts.popLast() ?? FloatBuffer()
    rows.grow(to: size * columns)
    // Tiles hold whole groups.
    for block in tile.rows.lowerBound / size..<tile.rows.upperBound / size {
      for index in 0..<size {
        let first = (row(index, ofBlock: block) - tile.rows.lowerBound) * columns
        rows.copy(first..<first + columns, of: buffers.value, width: 0, rows: 1, to: index * columns, width: 0)
      }
      let right = try PackedRight(
        rowMajor: Array(rows.elements[..<(size * columns)]), rows: size, columns: columns, kernels: buffers.kernels)
      try product.clear(size * columns)
      let matrix = matrices[block]
      try product.addProduct(
        matrix.span, right, rows: size, scale: 1, rowStride: columns, buffers.kernels)
      for index in 0..<size {
        let first = (row(index, ofBlock: block) - tile.rows.lowerBound) * columns
        buffers.value.add(product, from: index * columns, count: columns, at: first)
      }
    }
    buffers.scratch.parts += [rows, product]
  }

  /// The tensor's row that is a row of a block.
  private func row(_ index: Int, ofBlock block: Int) -> Int {
    let place = block * size + index
    guard let group else { return place }
    let inside = place % group
    return place - inside + inside % 2 * (group / 2) + inside / 2
  }
}
