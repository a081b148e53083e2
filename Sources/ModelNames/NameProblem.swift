/// Why a name of an adapter has no one place in a base.
public enum NameProblem: Error, Equatable, Sendable {
  /// A rule finds more than one tensor.
  case ambiguousName(target: String, candidates: [String])
  /// The base has a runtime tensor in parts, and one of them is missing; `like` is the name of another part, or its own.
  case missingPart(target: String, expert: Int?, like: String)
  /// The base has a module, but not this parameter of it.
  case noParameter(target: String, parameter: String, module: String)
  /// The shape of a part does not fit those of the others.
  case partShape(target: String, tensor: String, found: [Int])
  /// An update of fewer experts than the base has; `like` is the first that it leaves out.
  case expertCount(target: String, found: Int, like: String)
  /// Neither shapes nor config.json tell in which rows a part of a tensor lies.
  case unknownSlice(target: String, rule: String)
  /// transformers makes the runtime tensor by more than a change of rows' places.
  case unsupportedConversion(target: String, tensor: String, rule: String)
  /// A weight that the base has as a direction and a length.
  case weightNormalized(target: String, tensor: String)
  /// The base is itself a model under PEFT.
  case adaptedBase(target: String, tensor: String)
  /// The pattern of a map is not a regular expression.
  case mapPattern(pattern: String)
  /// The pattern of a map has no match in any name.
  case mapUnused(pattern: String)

  /// The stable class that scripts match.
  public var errorClass: String {
    switch self {
    case .missingPart, .noParameter, .mapUnused: "no-target"
    case .ambiguousName: "ambiguous"
    case .mapPattern: "pattern"
    case .partShape, .expertCount: "shape"
    case .unknownSlice, .unsupportedConversion, .weightNormalized, .adaptedBase: "unsupported"
    }
  }

  /// What is wrong, for people.
  public var message: String {
    switch self {
    case .ambiguousName(let target, let candidates):
      "\(target) is ambiguous: the base has \(candidates.joined(separator: ", "))"
    case .missingPart(let target, let expert, let like):
      "the base stores \(target) in parts, and "
        + (expert.map { "the part of expert \($0) is missing; it would be named like \(like)" }
          ?? "one is missing; it would be named like \(like)")
    case .noParameter(let target, let parameter, let module):
      "\(target) is \(module) of the base, which has no \(parameter)"
    case .partShape(let target, let tensor, let found):
      "the base stores \(target) in parts, and the shape of \(tensor), \(found), does not fit the others"
    case .expertCount(let target, let found, let like):
      "\(target) has updates for \(found) experts, but the base also has \(like)"
    case .unknownSlice(let target, let rule):
      "a part of \(target), but its rows are unknown (\(rule))"
    case .unsupportedConversion(let target, let tensor, let rule):
      "\(tensor) of the base stores the rows of \(target) in another order, which is not supported (\(rule))"
    case .weightNormalized(let target, let tensor):
      "\(target) uses weight normalization: the base has \(tensor) and a direction instead"
    case .adaptedBase(let target, let tensor):
      "the base has \(tensor) for \(target), so it was saved with a PEFT adapter in it"
    case .mapPattern(let pattern): "\"\(pattern)\" is not a valid regular expression"
    case .mapUnused(let pattern): "\"\(pattern)\" matches no name of the adapter"
    }
  }

  /// The next step, where one is known.
  public var hint: String? {
    switch self {
    case .weightNormalized:
      "save the base after torch.nn.utils.parametrize.remove_parametrizations or remove_weight_norm"
    case .adaptedBase: "merge or unload that adapter with PEFT first, and save the plain model"
    case .mapPattern, .mapUnused: "patterns are matched against names such as model.layers.0.mlp.up_proj.weight"
    default: nil
    }
  }

  /// The tensors of the base that may be meant.
  public var candidates: [String] {
    if case .ambiguousName(_, let candidates) = self { candidates } else { [] }
  }
}
