import Checkpoints
import LowRank
import MergeEngine
import MergePlanning
import Safetensors

/// One of the two models whose difference becomes an adapter: its parameters and their numbers.
protocol ModelSide: Sendable {
  /// Whose files are read: for messages, and for the config.
  var model: Checkpoint { get }
  /// In the order of the model's files.
  var parameters: [LiveParameter] { get }

  /// The file to name where the parameter's change cannot be computed with.
  func path(of parameter: LiveParameter) -> String

  /// The parameter's numbers, as a matrix of the first dimension and all others.
  ///
  /// - Throws: `FactorizationError` with `dtype` for a dtype that is not computed with.
  func rows(of parameter: LiveParameter) throws -> any MatrixRows

  /// How the parameter differs from the base's, where that is known without the base.
  func change(of parameter: LiveParameter) -> KnownChange?

  /// The tensor of a file that the parameter is; nil: it is computed.
  func stored(_ parameter: LiveParameter) -> StoredTensor?
}

/// What is known of a parameter's change without a look at the base.
enum KnownChange {
  /// Nothing changes.
  case nothing
  /// These rows are added to the base's: made when they are needed.
  case addition(() throws -> any MatrixRows)
  /// Nothing is known but that something may differ.
  case something
}

extension ModelSide {
  /// Whether a parameter is known to be the same as one of the base, by how it is made or by its bytes.
  ///
  /// - Parameter before: The base's; nil: the base does not have it.
  func isKnown(_ parameter: LiveParameter, toBe before: LiveParameter?, of base: any ModelSide) throws -> Bool {
    if let known = change(of: parameter) {
      if case .nothing = known { return true }
      return false
    }
    guard let before, before.tensor.dtype == parameter.tensor.dtype, before.tensor.shape == parameter.tensor.shape,
      let base = base as? StoredSide, let tuned = self as? StoredSide,
      let one = base.stored(before), let other = tuned.stored(parameter)
    else { return false }
    return try base.reading.haveSameBytes(one.source, other.source, in: tuned.reading)
  }
}
