import JSONText
import Synchronization

/// Modules that a field of the config names: by one pattern for whole paths, or by the ends of their paths.
///
/// Sources: PEFT 0.21.2 `IA3Model._check_target_module_feedforward`: `re.fullmatch`, or `endswith`, on a dot or not;
/// `check_target_module_exists`: `re.fullmatch`, or `endswith` on a dot.
final class ModuleList: Sendable {
  private let pattern: PythonPattern?
  private let ends: [String]
  private let isOnDots: Bool
  private let field: String
  private let path: String
  /// What matching the pattern against all modules may cost.
  private let budget = Mutex(MatchBudget())

  /// - Parameter isOnDots: Whether the end of a path must begin behind a dot.
  /// - Throws: If the field is neither, or if its pattern cannot be used. Null and a missing field name no module.
  init(_ field: String, _ reader: ConfigReader, onDots isOnDots: Bool = false) throws(AdapterError) {
    self.field = field
    self.isOnDots = isOnDots
    path = reader.path
    guard case .string(let text)? = reader.json[field] else {
      pattern = nil
      ends = try reader.strings(field)
      return
    }
    ends = []
    do throws(PatternProblem) {
      pattern = try PythonPattern(pattern: "(?:\(text))\\Z")
    } catch { throw AdapterError(path: path, .pattern(field: field, key: text, error)) }
  }

  /// Whether a module is named.
  func contains(_ module: String) throws(AdapterError) -> Bool {
    guard let pattern else {
      return ends.contains {
        isOnDots ? module.isPath(endingWith: $0) : module.utf8.reversed().starts(with: $0.utf8.reversed())
      }
    }
    let matched = budget.withLock { budget -> Result<Bool, PatternProblem> in
      do throws(PatternProblem) {
        return .success(try pattern.matches(module.unicodeScalars.map(\.value), budget: &budget))
      } catch { return .failure(error) }
    }
    switch matched {
    case .success(let isNamed): return isNamed
    case .failure(let problem): throw AdapterError(path: path, .patterns(field: field, problem))
    }
  }
}
