import Safetensors

extension MergePlan {
  /// The action on a tensor of the output.
  public enum Action: String, Sendable, CaseIterable {
    /// An adapter adds to it, rescales it or writes rows of it.
    case merge
    /// An adapter brings it whole.
    case replace
    /// It is only rounded to another dtype, or quantized and decoded as in training.
    case convert
    /// Its bytes stay.
    case copy

    /// `merged`.
    public var participle: String {
      switch self {
      case .merge: "merged"
      case .replace: "replaced"
      case .convert: "converted"
      case .copy: "copied"
      }
    }
  }

  /// The number of tensors with one action, and their bytes in the output.
  public struct ActionSum: Sendable, Equatable {
    public let action: Action
    public fileprivate(set) var tensorCount = 0
    public fileprivate(set) var byteCount = 0
  }

  public func action(_ tensor: Tensor) -> Action {
    let isAdapters = inputs[tensor.source.input].isAdapter
    return switch tensor.content {
    case .computed(_, let update, _) where update.changesElements: .merge
    case .computed: isAdapters ? .replace : .convert
    case .copied: isAdapters ? .replace : .copy
    }
  }

  /// Of every action, also where it is done to none.
  public var actionSums: [ActionSum] {
    var sums = Dictionary(uniqueKeysWithValues: Action.allCases.map { ($0, ActionSum(action: $0)) })
    for tensor in shards.lazy.flatMap(\.tensors) {
      let action = action(tensor)
      sums[action]?.tensorCount += 1
      sums[action]?.byteCount += tensor.outputRange.count
    }
    return Action.allCases.compactMap { sums[$0] }
  }
}
