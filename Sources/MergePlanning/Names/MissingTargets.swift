import Safetensors

/// Why a base has no weight for a module, where its own names say it.
extension MergePlanner {
  /// What PyTorch makes of a weight under weight normalization, now and before.
  private static let normalized = ["parametrizations.weight.original0", "weight_g"]

  mutating func reason(missing target: String, module: String) -> PlanError.Problem? {
    for name in Self.normalized {
      guard case .success(let found)? = resolve("\(module).\(name)", rows: nil) else { continue }
      return .weightNormalized(target: target, tensor: (found.whole ?? found.name).string)
    }
    if case .success(let found)? = resolve("\(module).base_layer.weight", rows: nil) {
      return .adaptedBase(target: target, tensor: (found.whole ?? found.name).string)
    }
    for name in ["base_model.model.\(target)", "base_model.model.\(module).base_layer.weight"]
    where shape(of: TensorName(name)) != nil {
      return .adaptedBase(target: target, tensor: name)
    }
    return nil
  }
}
