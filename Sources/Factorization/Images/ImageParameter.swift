import ImageModels

/// A parameter that two image or video models have, by the name that ComfyUI has for it.
struct ImageParameter: Sendable {
  /// How an adapter holds its change.
  enum Form: Sendable {
    /// Factors of the weight of this module.
    case factors(module: String)
    /// The difference as it is, under this name.
    case difference(key: String)
  }

  let form: Form
  let base: ParameterRows
  let tuned: ParameterRows

  /// - Parameter name: Makes the whole name of a name in the component.
  init(_ base: ParameterRows, _ tuned: ParameterRows, name: (String) -> String) {
    self.base = base
    self.tuned = tuned
    func module(without ending: String) -> String { name(String(base.name.dropLast(ending.count))) }
    if base.name.hasSuffix(".weight") {
      let isMatrix = base.shape.count > 1 && !Self.isEmbedding(base.name)
      let module = module(without: ".weight")
      form = isMatrix ? .factors(module: module) : .difference(key: module + ".diff")
    } else if base.name.hasSuffix(".bias") {
      form = .difference(key: module(without: ".bias") + ".diff_b")
    } else {
      form = .difference(key: name(base.name) + ".diff")
    }
  }

  /// Tells it from the others.
  var name: String {
    switch form {
    case .factors(let module): module
    case .difference(let key): key
    }
  }

  /// Its name in messages and for the options that select modules.
  var module: String {
    switch form {
    case .factors(let module): module
    case .difference(let key): key.split(separator: ".").dropLast().joined(separator: ".")
    }
  }

  /// Whether a weight is that of an embedding, for which no program of images reads factors.
  private static func isEmbedding(_ name: String) -> Bool {
    let module = name.split(separator: ".").dropLast().last ?? ""
    return [
      "token_embedding", "position_embedding", "embed_tokens", "shared", "relative_attention_bias",
    ].contains(module)
  }
}
