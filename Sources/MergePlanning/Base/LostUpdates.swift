import Adapters
import JSONText

/// Updates that no weight of the model can hold, because of how its class computes.
enum LostUpdates {
  /// Why a layer's update is none of a weight; nil: it is.
  static func problem(of layer: AdapterLayer, _ config: JSONValue?) -> PlanError.Problem? {
    if case .embedding = layer.kind, let type = NormalizedEmbeddings.type(config) {
      return .normalizedEmbedding(module: layer.module, type: type)
    }
    return BypassedModules.problem(of: layer.module, config: config)
  }

  /// The same of an embedding's trained rows.
  static func problem(of rows: AdapterTokenRows, _ config: JSONValue?) -> PlanError.Problem? {
    NormalizedEmbeddings.type(config).map { .normalizedEmbedding(module: rows.module, type: $0) }
      ?? BypassedModules.problem(of: rows.module, config: config)
  }
}
