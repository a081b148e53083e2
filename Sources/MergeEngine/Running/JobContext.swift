import LinearAlgebra
import MergePlanning
import Safetensors
import Staging

/// Shared by all jobs of one run.
struct JobContext: Sendable {
  let plan: MergePlan
  let options: MergeEngine.Options
  let schedule: TileSchedule
  let inputs: InputFiles
  /// For tensors that a part is taken out of.
  let decomposer: MatrixDecomposer?
  let record: OutcomeCollector
  private let factors = FactorStore()

  init(_ plan: MergePlan, _ options: MergeEngine.Options, _ inputs: InputFiles, _ decomposer: MatrixDecomposer?) {
    self.plan = plan
    self.options = options
    self.inputs = inputs
    self.decomposer = decomposer
    schedule = TileSchedule(plan, tileSize: options.tileSize)
    // A weight that is requantized, or was quantized in training, is always measured.
    record = OutcomeCollector(collectsStatistics: options.collectsStatistics || plan.measuresTensors)
  }

  /// Calls `body` with what the jobs of a segment share, which the first of them prepares.
  func withPreparedSteps(
    _ number: Int, _ tensor: ComputedTensor, _ output: ShardState.Output, _ body: (PreparedSteps) throws -> Void
  ) throws {
    let prepared = try factors.prepared(
      segment: number,
      tileCount: schedule.jobCount(of: schedule.segments[number], without: output.part.done, plan)
    ) {
      let preparation = UpdatePreparation(
        inputs: inputs, kernels: options.kernels, tileSize: options.tileSize, decomposer: decomposer)
      record.add(try UntrainedModules(tensor.update, preparation), segment: number)
      return try preparation.prepare(tensor)
    }
    try body(prepared)
    factors.release(segment: number)
  }
}
