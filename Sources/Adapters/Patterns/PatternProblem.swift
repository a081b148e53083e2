/// The reason that a key of `rank_pattern` or `alpha_pattern` cannot be used as a pattern.
public enum PatternProblem: Error, Equatable, Sendable {
  /// Python's `re` knows the construct, this module does not: it does not describe a regular language, or changes the
  /// meaning of everything after it.
  case unsupported(String)
  /// Python's `re` refuses it, for the reason given.
  case invalid(String)
  /// Groups nested deeper than the limit.
  case tooDeep(limit: Int)
  /// Expanding the repetitions takes more instructions than the limit: in one pattern, or in all of a config.
  case tooLarge(limit: Int)
  /// Testing all modules takes more steps than the limit.
  case tooCostly(limit: Int)
}

extension PatternProblem: CustomStringConvertible {
  public var description: String {
    switch self {
    case .unsupported(let feature): "\(feature) not supported in patterns"
    case .invalid(let reason): "not a valid pattern: \(reason)"
    case .tooDeep(let limit): "groups nested deeper than \(limit) levels"
    case .tooLarge(let limit): "expands to more than \(limit) instructions"
    case .tooCostly(let limit): "matching all modules takes more than \(limit) steps"
    }
  }
}
