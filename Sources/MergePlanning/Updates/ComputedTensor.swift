import Safetensors

/// A tensor of the output that is computed: read, updated, and written.
public struct ComputedTensor: Sendable, Equatable {
  public let name: TensorName
  public let shape: [Int]
  public let outputDType: DType
  /// Where its bytes go, counted from the start of the output's file.
  public let outputRange: Range<Int>
  public let weight: WeightSource
  public let update: TensorUpdate
  public let encoding: WeightEncoding
}

extension MergePlan.Tensor {
  /// The tensor with all that it is computed from; nil: its bytes are copied.
  public var computed: ComputedTensor? {
    switch content {
    case .copied: nil
    case .computed(let weight, let update, let encoding):
      ComputedTensor(
        name: name, shape: shape, outputDType: outputDType, outputRange: outputRange, weight: weight, update: update,
        encoding: encoding)
    }
  }
}

extension MergePlan {
  /// The tensors that are computed, in the order of the output.
  public var updatedTensors: some Sequence<ComputedTensor> {
    shards.lazy.flatMap(\.tensors).compactMap(\.computed)
  }
}
