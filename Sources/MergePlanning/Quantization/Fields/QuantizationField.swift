import JSONText
import Safetensors

/// One field of a quantization config and what a merge makes of it.
struct QuantizationField {
  enum Disposition {
    /// Read here.
    case used
    /// Has no part in the numbers that codes stand for, for the reason given.
    case harmless(because: String)
    /// Applied when the model runs; stays in force, because the config stays.
    case kept
    /// Refused, for the reason given, unless the value is one of `neutral`, or nothing.
    case refused(unless: [JSONValue], because: String)
  }

  let name: String
  let disposition: Disposition

  static func used(_ names: String...) -> [QuantizationField] {
    names.map { QuantizationField(name: $0, disposition: .used) }
  }

  static func harmless(_ reason: String, _ names: String...) -> [QuantizationField] {
    names.map { QuantizationField(name: $0, disposition: .harmless(because: reason)) }
  }

  static func kept(_ names: String...) -> [QuantizationField] {
    names.map { QuantizationField(name: $0, disposition: .kept) }
  }

  static func refused(_ name: String, unless neutral: [JSONValue] = [], _ reason: String) -> [QuantizationField] {
    [QuantizationField(name: name, disposition: .refused(unless: neutral, because: reason))]
  }

  /// Whether Python code takes the value as if the field were not there.
  static func isOff(_ value: JSONValue) -> Bool { [.null, .object([]), .array([])].contains(value) }
}

/// The tables of all methods, applied to one config.
struct QuantizationFields {
  let source: QuantizationSource
  /// Of the file that says it.
  let path: String

  /// The first field that changes what a quantized layer computes and that a merge can neither fold into its weight nor
  /// leave in force; nil: there is none. Unknown fields are of that kind.
  func problem() -> PlanError? {
    guard let table = Self.tables[source.method] else { return nil }
    if let problem = problem(source.config, table, prefix: source.path) { return problem }
    return nested()
  }

  /// Whether something in the config acts when the model runs and is no part of any weight: the config must stay then.
  var isNeededAtRunTime: Bool {
    guard let table = Self.tables[source.method], case .object(let members) = source.config else { return false }
    return members.contains { member in
      guard !QuantizationField.isOff(member.value), member.value != .bool(false) else { return false }
      guard case .kept? = table.first(where: { $0.name == member.key })?.disposition else { return false }
      return true
    }
  }

  private func problem(_ value: JSONValue, _ table: [QuantizationField], prefix: [String]) -> PlanError? {
    guard case .object(let members) = value else { return nil }
    for member in members where !QuantizationField.isOff(member.value) {
      switch table.first(where: { $0.name == member.key })?.disposition {
      case .used?, .harmless?, .kept?: continue
      case .refused(let neutral, let reason)?:
        if neutral.contains(member.value) { continue }
        return error(prefix + [member.key], reason)
      case nil: return error(prefix + [member.key], "a field that this program does not know")
      }
    }
    return nil
  }

  /// Fields of objects inside of the config.
  private func nested() -> PlanError? {
    switch source.method {
    case "compressed-tensors":
      guard case .object(let groups)? = source.config["config_groups"] else { return nil }
      for group in groups {
        let prefix = source.path + ["config_groups", group.key]
        if let problem = problem(group.value, Self.compressedScheme, prefix: prefix) { return problem }
        if let weights = group.value["weights"],
          let problem = problem(weights, Self.compressedWeights, prefix: prefix + ["weights"])
        {
          return problem
        }
      }
      return nil
    default: return nil
    }
  }

  func error(_ field: [String], _ reason: String) -> PlanError {
    PlanError(path: path, tensor: nil, .quantizationField(field.joined(separator: "."), because: reason))
  }
}
