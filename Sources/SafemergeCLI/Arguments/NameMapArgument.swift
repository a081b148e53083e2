import ArgumentParser
import ModelNames

/// `REGEX=REPLACEMENT`, split at the last "=": a pattern may contain "=", a name does not.
struct NameMapArgument: ExpressibleByArgument {
  let map: NameMap

  init?(argument: String) {
    guard let sign = argument.lastIndex(of: "="), sign > argument.startIndex else { return nil }
    map = NameMap(pattern: String(argument[..<sign]), replacement: String(argument[argument.index(after: sign)...]))
  }
}
