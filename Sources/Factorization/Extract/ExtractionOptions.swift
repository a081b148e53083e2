import LowRank
import Safetensors
import TileKernels

/// What `extract` is asked for.
public struct ExtractionOptions {
  /// How many singular values of each module's change are kept.
  public var rule: RankRule
  /// Whether a module's matrix is decomposed, by its name in the model in memory; others are left out.
  public var selects: (String) -> Bool = { _ in true }
  /// Whether changes that an adapter cannot hold are left out; else they are an error.
  public var leavesOutOthers = false
  /// The dtype of the factors: F32, F16 or BF16.
  public var dtype = DType.f32
  /// Of the random numbers of the search.
  public var seed: UInt64 = 0
  /// What `base_model_name_or_path` of the adapter says; nil: nothing.
  public var baseName: String?
  /// Computes the products; the choice does not change the result.
  public var kernels = KernelSet.best

  /// Finds the singular values that the rule keeps.
  var search: SingularSearch { SingularSearch(rule: rule, seed: seed, kernels: kernels) }

  /// Makes options with a rule for the rank.
  public init(rule: RankRule) { self.rule = rule }
}
