import JSONText
import Safetensors

/// A tensor's place in the base, or why it has none; the optional of it is nil where nothing is found at all.
package typealias Resolution = Result<TensorPlacement, NameProblem>

/// Finds the tensors of a base by the names that adapters have for them.
///
/// It knows names, shapes and config.json, and neither adapters nor plans. It changes only by what it remembers: which maps
/// were used, and the base's runtime names, which cost time and are made when the first name is not the base's own.
package struct NameResolver {
  private let names: [TensorName]
  private let config: JSONValue?
  private var maps: NameMaps
  private var runtimeNames: RuntimeNames?

  /// A resolver for one base.
  ///
  /// - Parameters:
  ///   - names: Of the base's weights on disk.
  ///   - config: The base's config.json.
  package init(names: some Sequence<TensorName>, config: JSONValue?, maps: NameMaps) {
    self.names = Array(names)
    self.config = config
    self.maps = maps
  }

  /// Finds a tensor by the name that an adapter has for it: as the user maps it; exactly; else as ``PlacementSearch`` does.
  ///
  /// - Parameters:
  ///   - rows: Rows of the update, which tell where a part lies that is not as large as its neighbors.
  ///   - experts: How many experts the update has; nil: it is of no stack.
  ///   - tensors: The tensors with the shapes that they have now.
  /// - Returns: Nil if the base has no such tensor.
  package mutating func resolve(
    _ name: String, rows: Int?, experts: Int? = nil, in tensors: some NamedTensors
  ) -> Resolution? {
    let (text, map) = maps(name)
    let base = BaseView(tensors: tensors, config: config)
    if let own = base.tensor(named: TensorName(text)) { return .success(own.adding(map)) }
    let search = PlacementSearch(base: base, runtimeNames: makeRuntimeNames())
    return search.find(text, rows: rows, experts: experts)?.map { $0.adding(map) }
  }

  /// The name as the user's maps change it.
  package mutating func mapped(_ name: String) -> String { maps(name).name }

  /// The first map that no name so far had a match of.
  package var unusedMap: NameMap? { maps.unused }

  /// The runtime name of a tensor on disk that has another one and is the whole of it; nil also while every name asked for
  /// was the base's own.
  package func runtimeName(of tensor: TensorName) -> TensorName? { runtimeNames?.runtimeName(of: tensor) }

  private mutating func makeRuntimeNames() -> RuntimeNames {
    if let runtimeNames { return runtimeNames }
    let made = RuntimeNames(names, config: config)
    runtimeNames = made
    return made
  }
}

extension NameResolver {
  /// What PyTorch makes of a weight under weight normalization, now and before.
  private static let normalized = ["parametrizations.weight.original0", "weight_g"]

  /// The reason that the base has for lacking `target`; nil: its names do not say.
  ///
  /// - Parameter module: The module as the adapter names it.
  package mutating func reason(
    missing target: String, module: String, in tensors: some NamedTensors
  ) -> NameProblem? {
    for name in Self.normalized {
      guard case .success(let found)? = resolve("\(module).\(name)", rows: nil, in: tensors) else { continue }
      return .weightNormalized(target: target, tensor: (found.whole ?? found.name).string)
    }
    if case .success(let found)? = resolve("\(module).base_layer.weight", rows: nil, in: tensors) {
      return .adaptedBase(target: target, tensor: (found.whole ?? found.name).string)
    }
    for name in ["base_model.model.\(target)", "base_model.model.\(module).base_layer.weight"]
    where tensors.shape(of: TensorName(name)) != nil {
      return .adaptedBase(target: target, tensor: name)
    }
    return nil
  }
}
