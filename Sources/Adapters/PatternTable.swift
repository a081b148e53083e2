/// `rank_pattern` or `alpha_pattern`: patterns of module paths and a value for each, in the order of the file.
public struct PatternTable<Value: Sendable>: Sendable {
  /// Instructions that all patterns of a table may take together.
  static var sizeLimit: Int { 1_000_000 }

  /// The patterns in the order of the file, which decides: the first that matches counts.
  public let keys: [String]
  /// The value that stands at each pattern.
  public let values: [Value]

  private var literals = LiteralPatterns()
  private var patterns: [(index: Int, pattern: PythonPattern)] = []

  /// A pattern that cannot be used, and why.
  struct Failure: Error {
    let key: String
    let problem: PatternProblem
  }

  init(_ entries: [(key: String, value: Value)]) throws(Failure) {
    keys = entries.map(\.key)
    values = entries.map(\.value)
    var size = 0
    for (index, key) in keys.enumerated() {
      if let scalars = LiteralPatterns.scalars(of: key) {
        literals.insert(scalars, index: index)
        continue
      }
      do throws(PatternProblem) {
        let pattern = try PythonPattern(key: key)
        size += pattern.size
        if size > Self.sizeLimit { throw .tooLarge(limit: Self.sizeLimit) }
        patterns.append((index, pattern))
      } catch { throw Failure(key: key, problem: error) }
    }
  }

  /// The place of the first key that matches a module's path.
  ///
  /// Where none matches, a key that is the path itself counts, even if it does not match as a pattern: PEFT looks the
  /// path up in the dictionary then (PEFT 0.21.2 `get_pattern_key` and its callers).
  func firstMatch(_ module: String, budget: inout MatchBudget) throws(PatternProblem) -> Int? {
    if keys.isEmpty { return nil }
    let path = module.unicodeScalars.map(\.value)
    let literal = try literals.firstMatch(path, budget: &budget)
    for (index, pattern) in patterns {
      if let literal, literal < index { break }
      if try pattern.matches(path, budget: &budget) { return index }
    }
    if let literal { return literal }
    return patterns.first { keys[$0.index].utf8.elementsEqual(module.utf8) }?.index
  }
}
