import Safetensors

extension MergeEngine {
  /// The findings of a merge.
  public struct Outcome: Sendable, Equatable {
    /// The weight files, in the order of the plan.
    public let shards: [WrittenShard]
    /// Bytes of the weight files that a run before wrote: all of some, and parts of others.
    public let keptByteCount: Int
    /// Tensors whose finite elements became infinite or NaN, with how many did, in the order of the output.
    public let nonFinite: [NonFiniteTensor]
    /// The places in the plan's modules of those whose change is nothing but zeros: one of their factors is all zero.
    public let untrainedModules: [Int]
    /// Of every tensor that an adapter changes, in the order of the output; empty unless they were asked for.
    public let statistics: [TensorStatistics]

    /// How large the change of tensors is, of which a resumed run has only those that it computed itself.
    public let changeRatios: [ChangeRatio]

    /// What taking the deltas away again makes of the tensors, in the order of the output; empty unless it was asked for.
    public var returned: [ReturnedTensor] = []

    /// The norm of a low-rank change in units of the norm of what it is added to, from some rows of a tensor.
    public struct ChangeRatio: Sendable, Equatable {
      public let name: TensorName
      public let ratio: Double
    }

    public struct NonFiniteTensor: Sendable, Equatable {
      public let name: TensorName
      public let count: UInt64
    }
  }
}
