import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

/// HiRA, DeLoRA, MiSS with its old name, and SHiRA.
@Suite struct AddingTunerTests {
  /// Every field of PEFT 0.21.2 that only one of the tuners has, with its default, and tensors of one module.
  private static let tuners: [(type: String, fields: String, tensors: [Entry])] = [
    (
      "HIRA",
      #""r": 32, "hira_dropout": 0.0, "init_weights": true, "rank_pattern": {}, "fan_in_fan_out": false"#,
      [entry("m.hira_A", [32, 4]), entry("m.hira_B", [6, 32])]
    ),
    (
      "DELORA",
      #""r": 8, "delora_lambda": 15, "module_dropout": 0.0, "init_weights": true, "rank_pattern": {}, "lambda_pattern": {}, "bias": "none""#,
      [
        entry("m.delora_A", [8, 4]), entry("m.delora_B", [6, 8]), entry("m.delora_lambda", [1]),
        entry("m.delora_w_norm", [4]),
      ]
    ),
    (
      "MISS", #""r": 64, "miss_dropout": 0.0, "mini_r": 1, "init_weights": true, "bias": "none""#,
      [entry("m.miss_block", [64, 6])]
    ),
    (
      "BONE", #""r": 64, "init_weights": true, "bias": "Bone_only""#,
      [entry("m.bone_block", [64, 6])]
    ),
    (
      "SHIRA",
      #""r": 32, "mask_type": "random", "random_seed": null, "init_weights": true, "fan_in_fan_out": false"#,
      [entry("m.shira_weight", [5]), entry("m.shira_indices", [2, 5], .i32)]
    ),
  ]

  private func json(_ type: String, _ fields: String = "") -> String {
    "{\"peft_type\": \"\(type)\"\(fields.isEmpty ? "" : ", ")\(fields)}"
  }

  @Test func everyFieldOfPEFTIsKnown() throws {
    for tuner in Self.tuners {
      let found = try adapter(json: json(tuner.type, tuner.fields), tuner.tensors)
      #expect(
        found.updates.count == 1 && found.updates[0].alpha == nil && found.updates[0].scaling == 1)
      #expect(found.updates[0].tensorIndices.count == tuner.tensors.count, "\(tuner.type)")
    }
  }

  @Test func aTensorThatIsMissingIsAnError() throws {
    for tuner in Self.tuners where tuner.tensors.count > 1 {
      for index in tuner.tensors.indices {
        var lost = tuner.tensors
        lost.remove(at: index)
        #expect(try refusal(json: json(tuner.type), lost).errorClass == "pair", "\(tuner.type)")
      }
    }
  }

  @Test func aTensorOfAnotherShapeIsAnError() throws {
    for tuner in Self.tuners {
      // A row more, and for a column more only what is left; the base tells the others.
      for index in tuner.tensors.indices
      where !["hira_B", "delora_B"].contains(where: tuner.tensors[index].name.contains) {
        var wrong = tuner.tensors
        wrong[index].shape[0] += 1
        let found = try refusal(json: json(tuner.type), wrong).errorClass
        #expect(["rank", "shape"].contains(found), "\(tuner.type) \(index): \(found)")
      }
    }
  }

  @Test func hiraHasEmbeddingsAndConvolutions() throws {
    let embedding = [entry("m.hira_embedding_A", [32, 9]), entry("m.hira_embedding_B", [4, 32])]
    let update = try adapter(json: json("HIRA"), embedding).updates[0]
    #expect(update.layout == .embedding && update.outFeatures == 4 && update.inFeatures == 9)
    let kernel = [entry("m.hira_A", [32, 4, 3]), entry("m.hira_B", [6, 32, 1])]
    let convolution = try adapter(json: json("HIRA"), kernel).updates[0]
    #expect(
      convolution.layout == .convolution(kernel: [3], groups: 1) && convolution.inFeatures == 12)
    #expect(try refusal(json: json("HIRA"), embedding + kernel).errorClass == "adapter-conflict")
  }

  @Test func theSmallFormOfMiSSRepeatsOverTheOutputs() throws {
    let fields = #""r": 4, "mini_r": 2, "init_weights": "mini""#
    let update = try adapter(json: json("MISS", fields), [entry("m.miss_block", [4, 2])]).updates[0]
    #expect(update.outFeatures == nil && update.inFeatures == nil && update.isFitted)
    #expect(
      try refusal(json: json("MISS", fields), [entry("m.miss_block", [4, 3])]).errorClass == "shape"
    )
    #expect(
      try refusal(json: json("MISS", #""init_weights": "x""#), [entry("m.miss_block", [64, 6])])
        .errorClass
        == "adapter-config")
  }

  @Test func placesAreIntegers() throws {
    let tensors = [entry("m.shira_weight", [5]), entry("m.shira_indices", [2, 5], .bf16)]
    #expect(try refusal(json: json("SHIRA"), tensors).errorClass == "dtype")
  }

  @Test(arguments: [
    ("LILY", "run it with PEFT"), ("shadow", "run it with PEFT"), ("CARTRIDGE", "run it with PEFT"),
    ("FROD", "merge it with PEFT's merge_and_unload"),
    ("X", "take the adapter as PEFT saved it, or correct \"peft_type\""),
  ])
  func othersAreRefusedWithAWayOut(type: String, hint: String) throws {
    let error = try refusal(json: json(type), pair("m"))
    #expect(error.errorClass == "unsupported" && error.hint == hint)
  }
}
