import ArgumentParser
import ModelNames

/// `REGEX=REPLACEMENT`, cut at the last "=": a name has none, a pattern may.
struct NameMapArgument: ExpressibleByArgument {
  let map: NameMap

  init?(argument: String) {
    guard let sign = argument.lastIndex(of: "="), sign > argument.startIndex else { return nil }
    map = NameMap(pattern: String(argument[..<sign]), replacement: String(argument[argument.index(after: sign)...]))
  }
}
