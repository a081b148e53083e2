import MergePlanning
import Safetensors
import TileKernels

/// Rounds to a dtype between two steps, as PEFT does.
struct RoundBetween: EngineStep {
  let dtype: DType

  func memory(_ place: StepPlace) -> StepMemory { StepMemory(perElement: StepMemory.values) }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    prepared.roundsBetween = true
    prepared.steps.append(PreparedRounding(type: try context.inputs.elementType(dtype)))
  }
}

/// The kernels' name for the dtype.
struct PreparedRounding: ValueStep {
  let type: ElementType

  var isSum: Bool { true }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    // The last rounding's is what stays.
    if case .values = tile.keeping { buffers.exact.set(buffers.value, count: tile.count) }
    try buffers.value.round(tile.count, to: type, through: &buffers.encoded, buffers.kernels)
  }
}
