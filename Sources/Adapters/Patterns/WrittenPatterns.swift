/// The entries of `rank_pattern` or `alpha_pattern` in a config that is written.
///
/// PEFT takes the first key, in the order of the file, that fits a module's path or an end of it behind a dot (PEFT 0.21.2
/// `get_pattern_key`). So a path alone is not enough as a key: `proj_out` also fits `blocks.0.proj_out`. Longer paths come first, and
/// a module that a shorter key fits has a key of its own even if its value is the common one.
package enum WrittenPatterns {
  /// The keys and values, in the order in which they must stand.
  ///
  /// - Parameters:
  ///   - modules: By their paths; of several with one path the first counts.
  ///   - common: The value of modules that no key fits.
  package static func entries<Value: Equatable>(
    _ modules: [(path: String, value: Value)], common: Value
  ) -> [(key: String, value: Value)] {
    let others = Set(modules.lazy.filter { $0.value != common }.map(\.path))
    if others.isEmpty { return [] }
    var seen: Set<String> = []
    return modules.filter { seen.insert($0.path).inserted && fits($0.path, others) }
      .sorted { $0.path.utf8.count > $1.path.utf8.count }
      .map { (escaped($0.path), $0.value) }
  }

  /// Whether one of the keys is the path or an end of it behind a dot.
  private static func fits(_ path: String, _ keys: Set<String>) -> Bool {
    if keys.contains(path) { return true }
    return path.indices.contains { path[$0] == "." && keys.contains(String(path[path.index(after: $0)...])) }
  }

  /// The path as a pattern: PEFT reads keys as regular expressions. A dot stays, because it fits itself.
  private static func escaped(_ path: String) -> String {
    var text = ""
    for scalar in path.unicodeScalars {
      if "\\[](){}*+?^$|".unicodeScalars.contains(scalar) { text += "\\" }
      text.unicodeScalars.append(scalar)
    }
    return text
  }
}
