import Adapters
import MergePlanning
import Safetensors
import TileKernels

/// Does steps to some rows of the tensor, or of a matrix that they are a part of, and mixes what they were with what they become.
struct ChangePart: EngineStep {
  let part: PartialUpdate<FactorView>

  func memory(_ place: StepPlace) -> StepMemory {
    let tileRows = part.matrix == nil ? place.tileRows : mostRows(place.tileRows)
    let inner = StepPlace(tensor: place.tensor, tileRows: tileRows)
    var memory = StepMemory()
    for step in part.steps { memory += step.engineStep.memory(inner) }
    memory += StepMemory(perElement: StepMemory.values)
    // The rows outside of the part, and those that the steps start from.
    memory.perElement += 4 + 4
    guard let matrix = part.matrix else { return memory }
    // What the steps see is more than the tile: as much again for each row beside it, and all of it as it is read.
    let columns = place.tensor.update.columns
    let bytes = matrix.tensors.map { $0.source.dtype.bitCount / 8 }.max() ?? 0
    memory.rows += (tileRows - place.tileRows) * columns * (memory.perElement + 4) + tileRows * columns * (4 + bytes)
    return memory
  }

  /// The most rows that the steps are done to for so many of a tile.
  private func mostRows(_ tileRows: Int) -> Int {
    (tileRows + 2 * (part.rowUnit - 1)) / part.rowUnit * part.rowUnit
  }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    var context = context
    let joined = part.matrix.map { JoinedRows(matrix: $0) }
    context.part = joined.map { .joined($0) } ?? .rows(part.rows, after: prepared.steps)
    var inner = PreparedSteps()
    for step in part.steps { try step.engineStep.prepare(context, in: &inner) }
    prepared.steps.append(PreparedPart(part: part, joined: joined, steps: inner.steps))
  }
}

/// The steps of some rows, ready for tiles.
struct PreparedPart: ValueStep {
  let part: PartialUpdate<FactorView>
  /// What the steps see, where that is more than the rows.
  let joined: JoinedRows?
  let steps: [any ValueStep]

  var isSum: Bool { false }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    let own = part.rows.clamped(to: tile.rows)
    guard !own.isEmpty else { return }
    let first = (own.lowerBound - tile.rows.lowerBound) * tile.columns
    let (seen, skipped) = part.seenRows(for: own)
    let inner = tile.part(seen)
    var before = buffers.scratch.parts.popLast() ?? FloatBuffer()
    if let joined {
      try joined.read(inner.rows, columns: tile.columns, into: &before, &buffers.scratch)
    } else {
      before.gather(first..<first + inner.count, of: buffers.value, rows: 1, width: 0)
    }
    var outside = buffers.scratch.parts.popLast() ?? FloatBuffer()
    swap(&outside, &buffers.value)
    buffers.value.set(before, count: inner.count)
    let values = before.elements
    for step in steps {
      try unsafe step.apply(inner, start: values.span.extracting(0..<inner.count).bytes, &buffers)
    }
    if part.weight != 1 { buffers.value.mix(with: before, count: inner.count, weight: part.weight) }
    let place = skipped * tile.columns
    outside.copy(
      place..<place + own.count * tile.columns, of: buffers.value, width: 0, rows: 1, to: first, width: 0)
    swap(&outside, &buffers.value)
    buffers.scratch.parts += [before, outside]
  }
}

extension Tile {
  /// Rows of the matrix that steps of a part see, as they are between the steps: in fp32.
  func part(_ rows: Range<Int>) -> Tile {
    Tile(
      rows: rows, columns: columns, source: .f32, target: target, rounding: rounding, isCompared: isCompared,
      keeping: .nothing)
  }
}
