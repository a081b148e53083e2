import MergePlanning
import Safetensors

/// Modules beside experts, which distribute tokens to them.
///
/// In transformers 5 many of them are no linear layers but modules with a weight and a forward of their own, such as MixtralTopKRouter
/// and Llama4Router. PEFT adapts the weight of any module as a parameter; as a module it adapts linear layers only.
enum Routers {
  /// The modules with a matrix that lie beside the experts of a model.
  ///
  /// Files can have a matrix for each expert where the model in memory has a stack: what is beside them is seen in the file.
  static func find(_ parameters: [LiveParameter]) -> Set<String> {
    func parent(_ path: String) -> String { path.split(separator: ".").dropLast().joined(separator: ".") }
    var parents: Set<String> = []
    var storedParents: Set<String> = []
    for parameter in parameters {
      if case .experts = parameter.kind { parents.insert(parent(parameter.module)) }
      if parameter.kind == .linear, let list = expertList(stored(parameter)) { storedParents.insert(parent(list)) }
    }
    if parents.isEmpty, storedParents.isEmpty { return [] }
    return Set(
      parameters.filter {
        $0.kind == .linear && (parents.contains(parent($0.module)) || storedParents.contains(parent(stored($0))))
      }.map(\.module))
  }

  /// The path in the file of a weight's module.
  private static func stored(_ parameter: LiveParameter) -> String {
    parameter.tensor.name.string.split(separator: ".").dropLast().joined(separator: ".")
  }

  /// The list of experts that a matrix of one expert is in.
  private static func expertList(_ module: String) -> String? {
    let components = module.split(separator: ".")
    guard let place = components.lastIndex(of: "experts"), components[(place + 1)...].first.flatMap({ Int($0) }) != nil
    else { return nil }
    return components[...place].joined(separator: ".")
  }

  /// What the config of an adapter calls the weight of a router.
  static func parameter(_ module: String) -> String { module + ".weight" }
}
