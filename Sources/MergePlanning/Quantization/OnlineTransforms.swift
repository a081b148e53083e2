import JSONText

/// `transform_config` of compressed-tensors: matrices by which a reader multiplies the inputs, the outputs or the weights of
/// modules when the model runs. A delta that was trained beside such a module is not one of its stored weight.
struct OnlineTransforms {
  private struct Scheme {
    let targets: [String]
    let ignored: [String]
  }

  private let schemes: [Scheme]
  private let field: String
  private let path: String

  /// Nil: there are none.
  init?(_ source: QuantizationSource, path: String) {
    guard source.method == "compressed-tensors", let config = source.config["transform_config"],
      !QuantizationField.isOff(config)
    else { return nil }
    func strings(_ value: JSONValue?) -> [String] {
      switch value {
      case .string(let name)?: return [name]
      case .array(let entries)?:
        return entries.compactMap { if case .string(let name) = $0 { name } else { nil } }
      default: return []
      }
    }
    self.path = path
    field = (source.path + ["transform_config"]).joined(separator: ".")
    guard case .object(let groups)? = config["config_groups"] else {
      // In a shape that is not known: any module may be a target.
      schemes = [Scheme(targets: ["*"], ignored: [])]
      return
    }
    var schemes: [Scheme] = []
    for group in groups {
      guard case .array(let applications)? = group.value["apply"] else {
        schemes.append(Scheme(targets: ["*"], ignored: []))
        continue
      }
      for application in applications {
        schemes.append(Scheme(targets: strings(application["targets"]), ignored: strings(application["ignore"])))
      }
    }
    guard !schemes.isEmpty else { return nil }
    self.schemes = schemes
  }

  /// The refusal of a module that is transformed; nil: it is not. A target that is neither a name nor a pattern is a class, of
  /// which the module may be one.
  func problem(of module: String) -> PlanError? {
    guard
      schemes.contains(where: { scheme in
        scheme.targets.contains { matches(module, $0) ?? true }
          && !scheme.ignored.contains { matches(module, $0) ?? false }
      })
    else { return nil }
    return PlanError(
      path: path, tensor: nil,
      .quantizationField(
        field, because: "\(module) is transformed when the model runs, which a merged weight is not"))
  }

  /// Whether a name or a pattern means the module; nil: it is the name of a class.
  private func matches(_ module: String, _ target: String) -> Bool? {
    if target.hasPrefix("re:") {
      // As Python's `re.match`; a pattern that is not understood may match.
      guard let regex = try? Regex(String(target.dropFirst("re:".count))) else { return nil }
      return module.prefixMatch(of: regex) != nil
    }
    guard target.contains(".") || module == target else { return nil }
    return module == target
  }
}
