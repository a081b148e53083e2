import Checkpoints
import Platform

/// Which tensors `--include` and `--exclude` let through.
struct NameFilter: Sendable {
  private let includes: [Glob]
  private let excludes: [Glob]

  /// - Parameters:
  ///   - include: Globs of which one must fit; none: every name does.
  ///   - exclude: Globs of which none may.
  init(include: [String], exclude: [String]) {
    includes = include.map(Glob.init)
    excludes = exclude.map(Glob.init)
  }

  var letsAllThrough: Bool { includes.isEmpty && excludes.isEmpty }

  func letsThrough(_ name: String) -> Bool {
    (includes.isEmpty || includes.contains { $0.matches(name) }) && !excludes.contains { $0.matches(name) }
  }
}
