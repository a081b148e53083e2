/// The updates that a tuner makes of an adapter's tensors.
struct ModuleUpdates {
  /// In the order of the modules' bytes.
  var updates: [ModuleUpdate] = []
  /// Tensors that a merge does not need.
  var ignored: [IgnoredTensor] = []
  /// Patterns that decided no module.
  var unusedPatterns: [UnusedPattern] = []
  /// Tensors that several updates use.
  var shared: Set<Int> = []
  var warnings: [String] = []
  /// Whether the order of the left factors' columns in stacks of experts is open: see
  /// ``Adapter/isExpertLayoutAmbiguous``.
  var isExpertLayoutAmbiguous = false
  /// Whether training has left no module a rank.
  var isPrunedWhole = false

  init() {}
}
