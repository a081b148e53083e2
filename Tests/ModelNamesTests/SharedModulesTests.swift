import JSONText
import Testing

@testable import ModelNames

/// The layers of Zamba's models that share blocks.
@Suite struct SharedModulesTests {
  private static let zamba2 =
    #"{"model_type":"zamba2","num_mem_blocks":2,"hybrid_layer_ids":[1,4,6,9],"layers_block_type":["hybrid"]}"#
  private static let zamba = #"{"model_type":"zamba","layers_block_type":["mamba","hybrid","mamba","hybrid"]}"#

  @Test(arguments: [
    (zamba2, "model.layers.6.shared_transformer.q", "model.layers.1.shared_transformer.q"),
    (zamba2, "model.layers.9.shared_transformer.q", "model.layers.4.shared_transformer.q"),
    (zamba2, "model.layers.1.shared_transformer.q", nil), (zamba2, "model.layers.5.shared_transformer.q", nil),
    (zamba2, "model.layers.6.mamba.q", nil),
    (zamba, "model.layers.3.shared_transf.q", "model.layers.1.shared_transf.q"),
    (#"{"model_type":"llama"}"#, "model.layers.6.shared_transformer.q", nil),
  ])
  func firstOfSeveral(config: String, module: String, first: String?) throws {
    let config = try JSONParser.parse(Array(config.utf8).span)
    #expect(SharedModules.first(of: module, config) == first)
  }
}
