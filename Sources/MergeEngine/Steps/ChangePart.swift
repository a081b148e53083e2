import Adapters
import MergePlanning
import TileKernels

/// Does steps to some rows of the tensor, and mixes what they were with what they become.
struct ChangePart: EngineStep {
  let part: PartialUpdate<FactorView>

  func memory(_ place: StepPlace) -> StepMemory {
    var memory = StepMemory()
    for step in part.steps { memory += step.engineStep.memory(place) }
    memory += StepMemory(perElement: StepMemory.values)
    // The rows outside of the part, and those that the steps start from.
    memory.perElement += 4 + 4
    return memory
  }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    var context = context
    context.part = StepContext.Part(rows: part.rows, steps: prepared.steps)
    var inner = PreparedSteps()
    for step in part.steps { try step.engineStep.prepare(context, in: &inner) }
    prepared.steps.append(PreparedPart(rows: part.rows, steps: inner.steps, weight: part.weight))
  }
}

/// The steps of some rows, ready for tiles.
struct PreparedPart: ValueStep {
  let rows: Range<Int>
  let steps: [any ValueStep]
  let weight: Float

  var isSum: Bool { false }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    let own = rows.clamped(to: tile.rows)
    guard !own.isEmpty else { return }
    let first = (own.lowerBound - tile.rows.lowerBound) * tile.columns
    let inner = tile.part(own, of: rows)
    var before = buffers.scratch.parts.popLast() ?? FloatBuffer()
    before.gather(first..<first + inner.count, of: buffers.value, rows: 1, width: 0)
    var outside = buffers.scratch.parts.popLast() ?? FloatBuffer()
    swap(&outside, &buffers.value)
    buffers.value.set(before, count: inner.count)
    let values = before.elements
    for step in steps {
      try unsafe step.apply(inner, start: values.span.extracting(0..<inner.count).bytes, &buffers)
    }
    if weight != 1 { buffers.value.mix(with: before, count: inner.count, weight: weight) }
    outside.copy(0..<inner.count, of: buffers.value, width: 0, rows: 1, to: first, width: 0)
    swap(&outside, &buffers.value)
    buffers.scratch.parts += [before, outside]
  }
}

extension Tile {
  /// Some of its rows, counted from the first of `rows` on, as they are between the steps: in fp32.
  func part(_ own: Range<Int>, of rows: Range<Int>) -> Tile {
    Tile(
      rows: own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound, columns: columns, source: .f32,
      target: target, rounding: rounding, isCompared: isCompared, keeping: .nothing)
  }
}
