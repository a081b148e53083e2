import Checkpoints
import Platform

/// The tensors that `--include` and `--exclude` select.
struct NameFilter: Sendable {
  private let includes: [Glob]
  private let excludes: [Glob]

  /// - Parameters:
  ///   - include: Globs of which one must match; if empty, every name matches.
  ///   - exclude: Globs of which none may match.
  init(include: [String], exclude: [String]) {
    includes = include.map(Glob.init)
    excludes = exclude.map(Glob.init)
  }

  var letsAllThrough: Bool { includes.isEmpty && excludes.isEmpty }

  func letsThrough(_ name: String) -> Bool {
    (includes.isEmpty || includes.contains { $0.matches(name) }) && !excludes.contains { $0.matches(name) }
  }
}
