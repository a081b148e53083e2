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
      return StepMemory(
        perElement: StepMemory.values, shared: vectors.rows * vectors.columns * 8,
        work: vectors.rows * vectors.columns * 4)
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
        let elements = matrix.elements.map { Float($0) }
        let factor = try StridedFactor(rowMajor: .f32, rows: size, columns: size)
        blocks.append(try unsafe PackedRight(factor, in: elements.span.bytes, kernels: context.kernels))
      }
      prepared.steps.append(PreparedBlocks(blocks: blocks, size: size))
    case .reflections(let vectors, let areOrthogonal):
      prepared.steps.append(
        PreparedReflections(
          try context.widened(vectors), columns: vectors.columns, areOrthogonal: areOrthogonal))
    }
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

/// Vectors of length 1 to reflect at, one after another.
struct PreparedReflections: ValueStep {
  let vectors: [[Double]]

  var isSum: Bool { false }

  /// - Parameter values: A matrix whose columns are the vectors.
  init(_ values: [Float], columns: Int, areOrthogonal: Bool) {
    var vectors: [[Double]] = []
    for column in 0..<columns {
      var vector = stride(from: column, to: values.count, by: columns).map { Double(values[$0]) }
      if areOrthogonal {
        for other in vectors {
          let part = zip(vector, other).reduce(0) { $0 + $1.0 * $1.1 }
          for index in vector.indices { vector[index] -= part * other[index] }
        }
      }
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      vectors.append(vector.map { $0 / norm })
    }
    self.vectors = vectors
  }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    buffers.value.reflect(rows: tile.rows.count, columns: tile.columns, by: vectors)
  }
}
