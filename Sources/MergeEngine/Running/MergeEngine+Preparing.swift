import LinearAlgebra
import MergePlanning
import Staging

extension MergeEngine {
  /// What the jobs of a segment share, prepared by the first of them.
  func prepare(
    _ number: Int, _ tensor: MergePlan.Tensor, _ update: TensorUpdate, _ destination: ShardState.Output,
    _ inputs: InputFiles, _ decomposer: MatrixDecomposer?, _ factors: FactorStore, _ record: OutcomeCollector
  ) throws -> PreparedSteps {
    try factors.prepared(
      segment: number,
      tileCount: schedule.jobCount(of: schedule.segments[number], without: destination.part.done, plan)
    ) {
      let preparation = UpdatePreparation(
        inputs: inputs, kernels: options.kernels, tileSize: options.tileSize, decomposer: decomposer)
      record.add(try UntrainedModules(update, preparation), segment: number)
      return try preparation.prepare(tensor, update)
    }
  }
}
