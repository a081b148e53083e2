import Safetensors

extension MergePlan {
  /// The cost of each weight file, in bytes: those of copied tensors, and twice those of computed ones.
  ///
  /// Processors are ahead of the storage at usual ranks; the factor only keeps files without a computed tensor from weighing
  /// as much as the others.
  public var fileCosts: [Int] {
    shards.map { shard in
      shard.tensors.reduce(0) { $0 + $1.outputRange.count * ($1.update == nil ? 1 : Self.computedFactor) }
    }
  }

  private static var computedFactor: Int { 2 }

  /// Which weight files each of `count` parts writes.
  ///
  /// - Parameter count: The number of parts, at least 1.
  public func assignment(parts count: Int) -> Assignment { Assignment(costs: fileCosts, parts: count) }
}
