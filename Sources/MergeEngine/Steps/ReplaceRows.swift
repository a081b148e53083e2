import Adapters
import MergePlanning
import TileKernels

/// Writes rows of the adapter over what was computed.
struct ReplaceRows: EngineStep {
  let replacements: [RowReplacement<FactorView>]

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = StepMemory()
    for replacement in replacements { memory += StepMemory(rowsOf: replacement.values, place) }
    return memory
  }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    prepared.replacements += replacements
  }
}

extension TileBuffers {
  /// Writes the replaced rows among the tile's over the output, rounded to the nearest.
  mutating func replaceRows(_ replacements: [RowReplacement<FactorView>], _ tile: Tile) throws {
    let rowByteCount = tile.columns * tile.target.byteCount
    for replacement in replacements where tile.rows.contains(replacement.row) {
      try scratch.widened.read(replacement.values, rows: 0..<1, through: &scratch.raw, inputs, kernels)
      encoded.grow(to: rowByteCount, filler: 0)
      try kernels.round(scratch.widened.elements, count: tile.columns, into: &encoded, as: tile.target)
      let start = (replacement.row - tile.rows.lowerBound) * rowByteCount
      output.replaceSubrange(start..<start + rowByteCount, with: encoded[..<rowByteCount])
    }
  }
}
