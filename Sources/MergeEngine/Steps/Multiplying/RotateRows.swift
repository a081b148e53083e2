import Adapters
import MergePlanning
import TileKernels

/// Multiplies the rows by a matrix.
struct RotateRows: EngineStep {
  let rotation: Rotation<FactorView>

  func memory(_ place: StepPlace) -> StepMemory {
    switch rotation.form {
    case .blocks(let entries, let size, _):
      var memory = PreparedBlocks.memory(place, count: entries.rows, size: size)
      memory.work += entries.rows * entries.columns * 4
      return memory
    case .reflections(let vectors, _):
      let count = vectors.rows * vectors.columns
      let packed = (try? PackedRight.byteCount(columns: vectors.rows, rank: vectors.columns)) ?? 0
      // The vectors are held twice while they are prepared.
      var memory = StepMemory(perElement: StepMemory.values, shared: count * 8 + packed, work: count * (4 + 8 + 8))
      memory.rows = place.tileRows * vectors.columns * 4
      memory.products = KernelSet.scratchByteCount(rows: place.tileRows, rank: vectors.columns)
      return memory
    case .butterfly(let factors, let size, _): return Butterfly.memory(place, factors: factors, size: size)
    case .bands(let blocks, let size): return Bands.memory(place, blocks: blocks, size: size)
    case .lowRank(let left, let right, _, let positions):
      return LowRankRows.memory(place, left: left, right: right, positions: positions)
    }
  }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    switch rotation.form {
    case .blocks(let entries, let size, let cayley):
      let values = try context.widened(entries)
      let blocks = try PackedBlocks(
        (0..<entries.rows).lazy.map { block in
          let own = values[block * entries.columns..<(block + 1) * entries.columns]
          return CayleyBlock(own, size: size, cayley).elements.map { Float($0) }
        }, size: size, kernels: context.kernels)
      prepared.steps.append(PreparedBlocks(blocks: blocks))
    case .reflections(let vectors, let areOrthogonal):
      prepared.steps.append(
        try PreparedReflections(
          try context.widened(vectors), columns: vectors.columns, areOrthogonal: areOrthogonal, context.kernels))
    case .butterfly(let factors, let size, let level):
      prepared.steps.append(try Butterfly.prepared(factors, size: size, level: level, context))
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
