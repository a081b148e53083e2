extension AdapterError {
  /// The same about a config in the metadata of a file, whose fields have a component before them.
  ///
  /// - Parameter prefix: The component with its dot, such as `unet.`; empty: the fields have none.
  func inMetadata(prefix: String) -> AdapterError {
    let named: Problem
    switch problem {
    case .fieldType(let field, let expected, let found):
      named = .fieldType(prefix + field, expected: expected, found: found)
    case .unsupportedField(let field, let value, let reason, let hint):
      named = .unsupportedField(prefix + field, value: value, reason: reason, hint: hint)
    case .unknownField(let field, let value): named = .unknownField(prefix + field, value: value)
    case .pattern(let field, let key, let problem): named = .pattern(field: prefix + field, key: key, problem)
    case .patterns(let field, let problem): named = .patterns(field: prefix + field, problem)
    case .peftType(let found):
      named = .metadata(
        found.map { "\"\(prefix)peft_type\" is \($0): \(PEFTMethods.reason($0))" }
          ?? "\"\(prefix)peft_type\" is missing")
    default: return self
    }
    return AdapterError(path: path, named, tensor: tensorName)
  }
}
