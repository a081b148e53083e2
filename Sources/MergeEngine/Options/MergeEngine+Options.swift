import LinearAlgebra
import Platform
import TileKernels

extension MergeEngine {
  /// Options for running a plan.
  public struct Options: Sendable {
    /// Threads that compute and write, at least 1. The result does not depend on it.
    public var workers: Int
    /// The instruction set. The result does not depend on it.
    public var kernels: KernelSet
    public var rounding = Rounding.nearest
    /// What happens if finite elements of the base become infinite or NaN.
    public var nonFinite = NonFinite.fail
    /// Whether the outcome has the statistics of every tensor that an adapter changes. The result does not depend on it.
    public var collectsStatistics = false
    /// Whether the outcome tells of each tensor to which something is added what taking it away again makes of it. Every such tensor
    /// has one step, a plain sum. The result does not depend on it.
    package var countsReturns = false
    /// Decomposes tensors, where the plan needs it; nil: the system's LAPACK is opened then.
    public var decomposer: MatrixDecomposer?

    /// How bytes that are not changed come into the output. The result does not depend on it.
    public var copyMode = CopyMode.auto
    /// Whether the SHA-256 of every weight file, of the base and of the result, is computed.
    public var computesChecksums = false
    /// What is done to find out whether the disk has what was written.
    public var verification = Verification.none
    /// Judges the complete result, a folder or one file, before it is moved into place: what it throws is the merge's error, and
    /// nothing is kept of a result that it refuses.
    public var judge: (@Sendable (_ path: String) throws -> Void)?
    /// Asks for an end before the work is done.
    public var interruption = Interruption.never
    /// Rows that are computed at once. The result does not depend on it.
    var tileSize = TileSize.standard
    /// Called with the path of each weight file between its writing and its verification: for tests.
    var beforeVerification: (@Sendable (String) -> Void)?

    public init(workers: Int, kernels: KernelSet = .best) {
      self.workers = max(1, workers)
      self.kernels = kernels
    }
  }

  /// The rounding of merged elements to their dtype.
  public enum Rounding: Sendable, Equatable {
    /// To the nearest, nibbles to even.
    case nearest
    /// Up or down with the probability of what is discarded, so that small deltas are kept on average. The random bits
    /// depend on the seed, the tensor's name and the element's place alone.
    case stochastic(seed: UInt64)
  }

  public enum NonFinite: String, Sendable, CaseIterable {
    /// The merge fails, naming the first tensor.
    case fail
    /// They are counted.
    case warn
  }
}
