/// Why a merge is not made in parts.
public enum PartsObstacle: Sendable, Equatable {
  /// The result is one file: parts are whole files.
  case oneFile
  /// The output is a mount point, which no folder can be renamed to.
  case mountPoint(String)
  /// Weights are decomposed: every part would decompose all, and LAPACK's bits are those of a machine.
  case decompositions

  /// In words.
  public var reason: String {
    switch self {
    case .oneFile: "the result is one file"
    case .mountPoint(let path): "\(path) is a mount point"
    case .decompositions: "the merge decomposes weights"
    }
  }

  /// What to do about it.
  public var hint: String {
    switch self {
    case .oneFile: "merge into a folder of several files, for example with --max-shard-size 5GB"
    case .mountPoint: "give a folder in it"
    case .decompositions: "run the merge in one process"
    }
  }
}
