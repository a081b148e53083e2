import MergePlanning
import TileKernels

/// What the tiles of one tensor share: made by the first worker that needs it.
struct SharedFactors: Sendable {
  /// The packed right factor of each term, in the order of the stages and their terms; nil for terms that have none.
  let factors: [[PackedRight?]]
  /// What is taken out of the tensor first; nil: nothing.
  var decomposition: DecompositionFactors?
  /// The scale of each stage that rescales.
  let rescalings: [Rescaling?]

  /// The largest magnitudes in the blocks of a weight that is made codes again, a row of blocks after another, where they
  /// take a pass over the tensor; nil: the tiles find them.
  var largest: [Float]?

  /// What each block's codes were multiplied by in training, where these scales were codes themselves; nil: the blocks'
  /// largest magnitudes.
  var scales: [Float]?

  /// The magnitudes of one stage and, where they run along columns, their norms.
  struct Rescaling: Sendable {
    let magnitudes: [Float]
    /// Norms down the columns need the whole tensor; nil where norms run along rows, which a tile has whole.
    let columnNorms: [Float]?
  }
}
