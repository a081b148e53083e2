import Adapters
import MergePlanning
import TileKernels

/// Multiplies the rows by a matrix.
struct RotateRows: EngineStep {
  let rotation: Rotation<FactorView>

  func memory(_ place: StepPlace) -> StepMemory {
    switch rotation.form {
    case .blocks(let entries, let size, _):
      let packed = (try? PackedRight.byteCount(columns: size, rank: size)) ?? 0
      var memory = StepMemory(
        perElement: StepMemory.values + 4, shared: entries.rows * packed,
        work: entries.rows * entries.columns * 4 + 6 * size * size * 8)
      memory.products = KernelSet.scratchByteCount(rows: place.tileRows, rank: size)
      return memory
    case .reflections(let vectors, _):
      let count = vectors.rows * vectors.columns
      let packed = (try? PackedRight.byteCount(columns: vectors.rows, rank: vectors.columns)) ?? 0
      // The vectors are held twice while they are prepared.
      var memory = StepMemory(perElement: StepMemory.values, shared: count * 8 + packed, work: count * (4 + 8 + 8))
      memory.rows = place.tileRows * vectors.columns * 4
      memory.products = KernelSet.scratchByteCount(rows: place.tileRows, rank: vectors.columns)
      return memory
    case .butterfly(let blocks, let size, _): return Butterfly.memory(place, blocks: blocks, size: size)
    case .bands(let blocks, let size): return Bands.memory(place, blocks: blocks, size: size)
    case .lowRank(let left, let right, _, let positions):
      return LowRankRows.memory(place, left: left, right: right, positions: positions)
    }
  }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    switch rotation.form {
    case .blocks(let entries, let size, let cayley):
      let values = try context.widened(entries)
      var blocks: [PackedRight] = []
      for block in 0..<entries.rows {
        let matrix = CayleyBlock(
          values[block * entries.columns..<(block + 1) * entries.columns], size: size, cayley)
        blocks.append(try context.packed(matrix.elements.map { Float($0) }, size: size))
      }
      prepared.steps.append(PreparedBlocks(blocks: blocks, size: size))
    case .reflections(let vectors, let areOrthogonal):
      prepared.steps.append(
        try PreparedReflections(
          try context.widened(vectors), columns: vectors.columns, areOrthogonal: areOrthogonal, context.kernels))
    case .butterfly(let blocks, let size, let level):
      prepared.steps.append(try Butterfly.prepared(blocks, size: size, level: level, context))
    case .bands(let blocks, let size): prepared.steps.append(try Bands(blocks, size: size, context))
    case .lowRank(let left, let right, let scaling, let positions):
      prepared.steps.append(try LowRankRows(left, right, scaling: scaling, positions: positions, context))
    }
  }
}

extension StepContext {
  /// A square matrix as a right factor.
  func packed(_ elements: [Float], size: Int) throws -> PackedRight {
    try PackedRight(rowMajor: elements, rows: size, columns: size, kernels: kernels)
  }
}

/// Blocks along the diagonal, ready to be right factors; one is all of them.
struct PreparedBlocks: ValueStep {
  let blocks: [PackedRight]
  let size: Int

  var isSum: Bool { false }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    try buffers.delta.clear(tile.count)
    var part = buffers.scratch.parts.popLast() ?? FloatBuffer()
    for (number, first) in stride(from: 0, to: tile.columns, by: size).enumerated() {
      part.gather(first..<first + size, of: buffers.value, rows: tile.rows.count, width: tile.columns)
      try buffers.delta.addProduct(
        part.elements.span, blocks[blocks.count == 1 ? 0 : number], rows: tile.rows.count, scale: 1, at: first,
        rowStride: tile.columns, buffers.kernels)
    }
    buffers.scratch.parts.append(part)
    buffers.value.set(buffers.delta, count: tile.count)
  }
}
