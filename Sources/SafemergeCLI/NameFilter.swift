import Checkpoints
import Safetensors

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

  /// The places of those that are let through, in their order.
  func places(in tensors: TensorTable) -> [Int] {
    guard !includes.isEmpty || !excludes.isEmpty else { return Array(tensors.indices) }
    return tensors.indices.filter { place in
      let name = tensors.name(at: place).string
      return (includes.isEmpty || includes.contains { $0.matches(name) }) && !excludes.contains { $0.matches(name) }
    }
  }
}
