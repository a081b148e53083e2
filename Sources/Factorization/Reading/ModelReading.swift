import Checkpoints
import LowRank
import MergeEngine
import MergePlanning
import Safetensors
import TileKernels

/// The numbers of a base and a tuned model, side by side.
struct ModelReading: Sendable {
  let base: StoredSide
  let tuned: any ModelSide
  let kernels: KernelSet

  /// The files of a pair of parameters.
  func paths(_ pair: ModelChange.Pair) -> [String] {
    var paths = [pair.base.map { base.model.files[$0.file].path }].compactMap { $0 }
    let other = tuned.model.files[pair.tuned.file].path
    if paths != [other] { paths.append(other) }
    return paths
  }

  /// The difference of two parameters, as a matrix of the first dimension and all others; nil: there is only one, or none.
  func change(_ pair: ModelChange.Pair) throws -> (any MatrixRows)? {
    switch tuned.change(of: pair.tuned) {
    case .nothing?: return nil
    case .addition(let rows)?: return try rows()
    case .something?, nil:
      guard let before = pair.base else { return nil }
      return RowDifference(base: try base.rows(of: before), tuned: try tuned.rows(of: pair.tuned), kernels: kernels)
    }
  }

  /// Whether two parameters are known to be the same, by their bytes or by how the tuned one is made.
  func areSame(_ pair: ModelChange.Pair) throws -> Bool {
    try tuned.isKnown(pair.tuned, toBe: pair.base, of: base)
  }
}
