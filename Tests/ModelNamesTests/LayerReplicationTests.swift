import Safetensors
import Testing

@testable import ModelNames

/// The names that PEFT's `layer_replication` gives to copies of layers.
@Suite struct LayerReplicationTests {
  @Test func copiesOfLayers() throws {
    let replication = try #require(LayerReplication([0..<2, 1..<3]))
    #expect(replication.sources == [0, 1, 1, 2])
    #expect(
      replication.names(for: "model.layers.1.up.weight") == ["model.layers.1.up.weight", "model.layers.2.up.weight"])
    #expect(replication.names(for: "model.layers.2.up.weight") == ["model.layers.3.up.weight"])
    #expect(replication.names(for: "model.layers.3.up.weight") == [])
    #expect(replication.names(for: "model.norm.weight") == ["model.norm.weight"])
    #expect(replication.copyCount(of: "transformer.h.1.up.weight") == 2)
    #expect(LayerReplication.layer(of: "transformer.h.12.up.weight") == 12)
    #expect(LayerReplication.layer(of: "model.layers.x.up.weight") == nil)
  }

  @Test(arguments: [[0..<10_001], [0..<6000, 0..<6000], [0..<Int.max]]) func tooManyLayers(ranges: [Range<Int>]) {
    #expect(LayerReplication(ranges) == nil)
  }
}
