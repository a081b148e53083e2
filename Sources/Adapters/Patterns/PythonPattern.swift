/// One key of `rank_pattern` or `alpha_pattern`, as PEFT reads it.
///
/// A module path matches if Python's `re.match(r"(.*\.)?(" + key + r")$", path)` does (PEFT 0.21.2 `get_pattern_key`).
/// The key is spliced in as text before anything is parsed: an alternation stays in its group, and a key that closes
/// the group early means what it means to Python.
struct PythonPattern: Sendable {
  /// Instructions that one pattern may take.
  static let sizeLimit = 10_000

  let program: PatternProgram
  var size: Int { program.size }

  init(key: String) throws(PatternProblem) { try self.init(pattern: "(.*\\.)?(\(key))$") }

  /// A whole pattern, without PEFT's frame.
  init(pattern: String) throws(PatternProblem) {
    let node = try PatternParser.parse(pattern.unicodeScalars.map(\.value))
    program = try PatternProgram(node, sizeLimit: Self.sizeLimit)
  }

  /// - Parameter path: The module path's code points.
  func matches(_ path: [UInt32], budget: inout MatchBudget) throws(PatternProblem) -> Bool {
    try program.matches(path, budget: &budget)
  }
}
