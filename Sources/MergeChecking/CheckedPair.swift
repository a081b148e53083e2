import Checkpoints
import MergePlanning

/// A tensor of the plan and the one of the result that is to be it.
struct CheckedPair {
  let planned: MergePlan.Tensor
  let location: Checkpoint.Location
  var result: MergeCheck.TensorResult
  /// Nil: it is to be copied.
  let update: TensorUpdate?
}
