import JSONText
import Safetensors

/// The fields of a method, applied to one config.
struct QuantizationFields {
  let source: QuantizationSource
  /// Of the file that says it.
  let path: String

  /// The first field that changes what a quantized layer computes and that a merge can neither fold into its weight nor
  /// leave in force; nil: there is none. Unknown fields are of that kind.
  func problem() -> PlanError? {
    guard let method = QuantizationMethods.named(source.method), let table = method.fields else { return nil }
    if let problem = problem(source.config, table, prefix: source.path) { return problem }
    for nested in method.nestedFields(of: source.config) {
      if let problem = problem(nested.value, nested.fields, prefix: source.path + nested.path) { return problem }
    }
    return nil
  }

  /// Whether something in the config acts when the model runs and does not belong to a weight: the config must stay then.
  var isNeededAtRunTime: Bool {
    guard let table = QuantizationMethods.named(source.method)?.fields, case .object(let members) = source.config else {
      return false
    }
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

  func error(_ field: [String], _ reason: String) -> PlanError {
    PlanError(path: path, tensor: nil, .quantizationField(field.joined(separator: "."), because: reason))
  }
}
