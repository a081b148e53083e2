import Adapters
import JSONText

/// Updates that no weight of the model can hold, because of how its class computes.
enum LostUpdates {
  /// Why an update does not change a weight; nil: it does.
  static func problem(of update: ModuleUpdate, _ config: JSONValue?) -> PlanError.Problem? {
    if case .embedding = update.layout, let type = NormalizedEmbeddings.type(config) {
      return .normalizedEmbedding(module: update.module, type: type)
    }
    return BypassedModules.problem(of: update.module, config: config)
  }

  /// The same of an embedding's trained rows.
  static func problem(of rows: AdapterTokenRows, _ config: JSONValue?) -> PlanError.Problem? {
    NormalizedEmbeddings.type(config).map { .normalizedEmbedding(module: rows.module, type: $0) }
      ?? BypassedModules.problem(of: rows.module, config: config)
  }
}
