import ModelNames

/// `REGEX=REPLACEMENT`, split at the last "=": a pattern may contain "=", a name does not.
struct NameMapArgument {
  let map: NameMap

  init(argument: String) throws {
    guard let sign = argument.lastIndex(of: "="), sign > argument.startIndex else {
      throw InvalidValue(
        "expected REGEX=REPLACEMENT", hint: #"for example --map '^model\.layers=model.language_model.layers'"#)
    }
    map = NameMap(pattern: String(argument[..<sign]), replacement: String(argument[argument.index(after: sign)...]))
  }
}
