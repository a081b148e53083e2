import Adapters
import MergePlanning
import TileKernels

/// An update made ready for the tiles of its tensor, which share it: made by the first worker that needs it.
struct PreparedSteps: Sendable {
  /// Changes what the other steps start from; nil: they start from the weight.
  var start: (any StartStep)?
  /// What computes, in order.
  var steps: [any ValueStep] = []
  /// Whether rows are rounded between the steps.
  var roundsBetween = false
  /// Rows that are written over at the end.
  var replacements: [RowReplacement<FactorView>] = []

  /// The largest magnitudes in the blocks of a requantized weight, a row of blocks after another, where they
  /// take a pass over the tensor; nil: the tiles find them.
  var largest: [Float]?

  /// What each block's codes were multiplied by in training, where these scales were codes themselves; nil: the blocks'
  /// largest magnitudes.
  var scales: [Float]?

  /// Whether the result is the tensor and deltas, but for roundings.
  var isSum: Bool { start == nil && steps.allSatisfy { $0.isSum } }

  /// The only step that computes; nil: there are several. Where there is none, the sum of no terms.
  var onlyStep: (any ValueStep)? {
    guard start == nil, steps.count <= 1 else { return nil }
    return steps.first ?? PreparedAddition()
  }

  /// What is kept for statistics while the steps are done.
  var keeping: Tile.Keeping { roundsBetween ? (isSum ? .deltas : .values) : .nothing }
}
