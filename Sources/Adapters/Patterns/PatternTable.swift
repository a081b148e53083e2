/// `rank_pattern` or `alpha_pattern`: patterns of module paths and a value for each, in the order of the file.
public struct PatternTable<Value: Sendable>: Sendable {
  /// Instructions that all patterns of a table may take together.
  static var sizeLimit: Int { 1_000_000 }

  /// The patterns in the order of the file, which decides: the first that matches counts.
  public let keys: [String]
  /// The value that stands at each pattern.
  public let values: [Value]

  private var literals = LiteralPatterns()
  private let automaton: PatternAutomaton
  /// Of the keys that the automaton has.
  private let indices: Set<Int>

  /// A pattern that cannot be used, and why.
  struct Failure: Error {
    let key: String
    let problem: PatternProblem
  }

  init(_ entries: [(key: String, value: Value)]) throws(Failure) {
    keys = entries.map(\.key)
    values = entries.map(\.value)
    var size = 0
    var patterns: [(index: Int, program: PatternProgram)] = []
    for (index, key) in keys.enumerated() {
      if let scalars = LiteralPatterns.scalars(of: key) {
        literals.insert(scalars, index: index)
        continue
      }
      do throws(PatternProblem) {
        let pattern = try PythonPattern(key: key)
        size += pattern.size
        if size > Self.sizeLimit { throw .tooLarge(limit: Self.sizeLimit) }
        patterns.append((index, pattern.program))
      } catch { throw Failure(key: key, problem: error) }
    }
    automaton = PatternAutomaton(patterns)
    indices = Set(patterns.map(\.index))
  }

  /// The place of the first key that matches a module's path.
  ///
  /// Where none matches, a key that is the path itself counts, even if it does not match as a pattern: PEFT looks the
  /// path up in the dictionary then (PEFT 0.21.2 `get_pattern_key` and its callers).
  ///
  /// - Parameter memory: What questions to this table before left.
  func firstMatch(
    _ module: String, memory: inout PatternAutomaton.Memory, budget: inout MatchBudget
  ) throws(PatternProblem) -> Int? {
    if keys.isEmpty { return nil }
    let path = module.unicodeScalars.map(\.value)
    let literal = try literals.firstMatch(path, budget: &budget)
    if let literal, literal < automaton.firstIndex ?? .max { return literal }
    let pattern = try automaton.firstMatch(path, memory: &memory, budget: &budget)
    if let first = [literal, pattern].compactMap({ $0 }).min() { return first }
    return indices.filter { keys[$0].utf8.elementsEqual(module.utf8) }.min()
  }

  /// The same for one question.
  func firstMatch(_ module: String, budget: inout MatchBudget) throws(PatternProblem) -> Int? {
    var memory = PatternAutomaton.Memory()
    return try firstMatch(module, memory: &memory, budget: &budget)
  }
}
