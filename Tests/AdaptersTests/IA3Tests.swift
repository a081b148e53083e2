import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

@Suite struct IA3Tests {
  /// Every field of PEFT 0.21.2's `IA3Config` with its default.
  private static let defaults = """
    "task_type": null, "peft_type": "IA3", "auto_mapping": null, "peft_version": "0.21.2",
    "base_model_name_or_path": null, "revision": null, "inference_mode": false, "target_modules": null,
    "exclude_modules": null, "feedforward_modules": null, "fan_in_fan_out": false, "modules_to_save": null,
    "init_ia3_weights": true
    """

  private func read(_ fields: String, _ shape: [Int], module: String = "m.down") throws -> ModuleUpdate {
    let separator = fields.isEmpty ? "" : ", "
    return try adapter(
      json: "{\"peft_type\": \"IA3\"\(separator)\(fields)}", [entry("\(module).ia3_l", shape)]
    ).updates[0]
  }

  private func axis(_ update: ModuleUpdate) -> Axis? {
    if case .scale(_, let axis)? = update.steps.first { axis } else { nil }
  }

  @Test func everyFieldOfPEFTIsKnown() throws {
    let found = try adapter(json: "{\(Self.defaults)}", [entry("m.ia3_l", [6, 1])])
    #expect(found.updates.count == 1 && found.config.methodName == "IA3")
    #expect(found.updates.allSatisfy { $0.rank == nil && $0.alpha == nil && $0.scaling == nil })
  }

  @Test func theShapeOfALinearLayersVectorTells() throws {
    let output = try read("", [6, 1])
    #expect(axis(output) == .rows && output.outFeatures == 6 && output.inFeatures == nil)
    #expect(output.bias?.count == 6 && output.bias?.isRequired == false)
    let input = try read("", [1, 6])
    #expect(axis(input) == .columns && input.outFeatures == nil && input.inFeatures == 6 && input.bias == nil)
  }

  @Test(arguments: [
    (#""feedforward_modules": ["down"]"#, Axis.columns), (#""feedforward_modules": ["m"]"#, .rows),
    (#""feedforward_modules": ".*\\.d.*""#, .columns), (#""feedforward_modules": "down""#, .rows), ("", .rows),
  ])
  func theConfigSaysWhatAConvolutionsVectorMultiplies(fields: String, expected: Axis) throws {
    let update = try read(fields, [1, 6, 1, 1])
    #expect(axis(update) == expected && update.layout == .channels(dimensions: 2))
    #expect(update.inFeatures == (expected == .columns ? 6 : nil))
  }

  @Test func whatIsNoVectorIsRefused() throws {
    let type = #"{"peft_type": "IA3"}"#
    for shape in [[6], [2, 3], [6, 0], [1, 2, 3]] {
      #expect(try refusal(json: type, [entry("m.ia3_l", shape)]).errorClass == "shape", "\(shape)")
    }
    let pattern = #"{"peft_type": "IA3", "feedforward_modules": "(a"}"#
    #expect(try refusal(json: pattern, [entry("m.ia3_l", [6, 1])]).errorClass == "adapter-pattern")
    #expect(
      try refusal(json: #"{"peft_type": "IA3", "r": 8}"#, [entry("m.ia3_l", [6, 1])]).errorClass == "unsupported")
  }
}
