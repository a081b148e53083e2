import MergePlanning
import Safetensors
import Testing

@testable import MergeBenchmark

/// The balance of a merge in parts, on the layouts of large models.
@Suite struct PartTests {
  /// The costs of the 1.4 TB checkpoint's files, of which adapters change the tensors whose names hold `targets`.
  private func costs(_ size: ModelSize, shards: Int, targets: [String]) throws -> [Int] {
    let layout = try ShardLayout(size.shape(nil).tensors, dtype: .bf16, shardCount: shards)
    return layout.shards.map { shard in
      shard.tensors.reduce(0) { sum, tensor in
        let isTarget = targets.contains { tensor.tensor.name.string.contains($0) }
        return sum + tensor.tensor.byteCount * (isTarget ? 2 : 1)
      }
    }
  }

  @Test(arguments: [[], ["q_proj", "v_proj"], ["layers.0.", "layers.1."], ["_proj", "w1", "w2", "w3"]])
  func theHugeModelIsBalanced(targets: [String]) throws {
    let costs = try costs(.huge, shards: ModelSize.huge.shardCount, targets: targets)
    #expect(costs.count == 1433)
    for (count, limit) in [(2, 1.001), (8, 1.01), (16, 1.02), (32, 1.02), (64, 1.03), (128, 1.08)] {
      let imbalance = Assignment(costs: costs, parts: count).imbalance
      #expect(imbalance <= limit, "\(count) parts: \(imbalance)")
    }
  }
}
