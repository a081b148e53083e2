/// Which parameter of a module a tensor of an adapter changes.
package enum ModuleParameter: Sendable, Equatable {
  /// The weight; of a norm that has its weight under the name `scale`, that; of a name that is a parameter's, this parameter.
  case weight
  case bias
  /// A parameter by its own name in the module, such as `modulation`.
  case leaf(String)

  /// What messages call it.
  package var name: String {
    switch self {
    case .weight: "weight"
    case .bias: "bias"
    case .leaf(let name): name
    }
  }
}
