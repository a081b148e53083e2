import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

/// OFT and HRA, which multiply the weight.
@Suite struct RotationTests {
  /// Every field of PEFT 0.21.2's `OFTConfig` with its default.
  private static let oft = """
    "task_type": null, "peft_type": "OFT", "auto_mapping": null, "peft_version": "0.21.2",
    "base_model_name_or_path": null, "revision": null, "inference_mode": false, "r": 0, "oft_block_size": 32,
    "module_dropout": 0.0, "target_modules": null, "fan_in_fan_out": false, "bias": "none", "exclude_modules": null,
    "init_weights": true, "layers_to_transform": null, "layers_pattern": null, "modules_to_save": null, "coft": false,
    "eps": 6e-05, "block_share": false, "use_cayley_neumann": true, "num_cayley_neumann_terms": 5
    """

  private func form(_ update: ModuleUpdate?) -> Rotation<Factor>.Form? {
    if case .rotate(let rotation)? = update?.steps.first { rotation.form } else { nil }
  }

  private func read(_ fields: String, _ shape: [Int], key: String = "m.oft_R.weight") throws
    -> ModuleUpdate?
  {
    try adapter(json: "{\"peft_type\": \"OFT\"\(fields)}", [entry(key, shape)]).updates.first
  }

  @Test func everyFieldOfPEFTIsKnown() throws {
    let found = try adapter(json: "{\(Self.oft)}", [entry("m.oft_R.weight", [3, 6])])
    let update = try #require(found.updates.first)
    #expect(
      found.config.methodName == "OFT" && update.inFeatures == 12 && update.outFeatures == nil)
    #expect(update.scaling == nil && update.columnUnit == 4 && update.foldsWindows)
    guard case .blocks(_, 4, Cayley(terms: 5, limit: nil, isTransposed: true))? = form(update)
    else {
      Issue.record("\(String(describing: form(update)))")
      return
    }
  }

  @Test func theConfigSaysHowABlockIsMade() throws {
    let inverse = try read(#", "use_cayley_neumann": false, "coft": true, "eps": 0.3"#, [9, 6])
    guard case .blocks(_, _, let cayley)? = form(inverse) else {
      Issue.record("no rotation")
      return
    }
    #expect(cayley.terms == nil && cayley.limit == 0.3 / 3)
    let shared = try read(#", "block_share": true"#, [1, 6])
    #expect(shared?.inFeatures == nil && shared?.columnUnit == 4)
    let embedding = try read("", [2, 6], key: "m.oft_embedding_R.weight")
    guard case .blocks(_, _, let other)? = form(embedding) else {
      Issue.record("no rotation")
      return
    }
    #expect(!other.isTransposed && embedding?.inFeatures == 8)
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let type = #"{"peft_type": "OFT"}"#
    for shape in [[3, 5], [6], [3, 6, 1], [3, 0]] {
      #expect(
        try refusal(json: type, [entry("m.oft_R.weight", shape)]).errorClass == "shape", "\(shape)")
    }
    let shared = #"{"peft_type": "OFT", "block_share": true}"#
    #expect(try refusal(json: shared, [entry("m.oft_R.weight", [3, 6])]).errorClass == "shape")
    #expect(try refusal(json: type, [entry("m.oft_r", [3, 4, 4])]).errorClass == "unsupported")
  }

  @Test func reflectionsHaveTheRankOfTheConfig() throws {
    let fields = #""r": 3, "apply_GS": true, "init_weights": true, "bias": "hra_only""#
    let found = try adapter(
      json: "{\"peft_type\": \"HRA\", \(fields)}", [entry("m.hra_u", [8, 3])])
    guard case .reflections(let vectors, true)? = form(found.updates.first) else {
      Issue.record("no rotation")
      return
    }
    #expect(vectors.rows == 8 && vectors.columns == 3 && found.updates[0].inFeatures == 8)
    #expect(
      try refusal(json: #"{"peft_type": "HRA"}"#, [entry("m.hra_u", [8, 3])]).errorClass == "rank")
    #expect(
      try refusal(json: #"{"peft_type": "HRA"}"#, [entry("m.hra_u", [8])]).errorClass == "shape")
  }
}
