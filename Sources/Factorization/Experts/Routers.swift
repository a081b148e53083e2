import MergePlanning

/// Modules beside stacked experts, which distribute tokens to them.
///
/// In transformers 5 many of them are no linear layers but modules with a weight and a forward of their own, such as MixtralTopKRouter
/// and Llama4Router. PEFT adapts the weight of any module as a parameter; as a module it adapts linear layers only.
enum Routers {
  /// The modules with a matrix that lie beside the experts of a model.
  static func find(_ parameters: [LiveParameter]) -> Set<String> {
    func parent(_ path: String) -> String { path.split(separator: ".").dropLast().joined(separator: ".") }
    var parents: Set<String> = []
    for parameter in parameters { if case .experts = parameter.kind { parents.insert(parent(parameter.module)) } }
    if parents.isEmpty { return [] }
    return Set(parameters.filter { $0.kind == .linear && parents.contains(parent($0.module)) }.map(\.module))
  }

  /// What the config of an adapter calls the weight of a router.
  static func parameter(_ module: String) -> String { module + ".weight" }
}
