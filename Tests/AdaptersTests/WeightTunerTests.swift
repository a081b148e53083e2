import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

/// GLoRA, DEFT, PEANuT and OSF, whose updates depend on the weight.
@Suite struct WeightTunerTests {
  /// Every field of PEFT 0.21.2 that only one of the tuners has, with its default, and tensors of one module of 6 outputs and 4
  /// inputs.
  private static let tuners: [(type: String, fields: String, tensors: [Entry])] = [
    (
      "GLORA",
      #""r": 8, "config_A_B": "lora", "config_C": "lora", "config_D_E": "constant", "init_weights": true, "bias": "none""#,
      [
        entry("m.glora_A.Xd", [6, 8]), entry("m.glora_A.Xu", [8, 4]), entry("m.glora_B.Xd", [6, 8]),
        entry("m.glora_B.Xu", [8, 4]), entry("m.glora_C.Xd", [4, 8]), entry("m.glora_C.Xu", [8, 1]),
        entry("m.glora_D.X", [1]), entry("m.glora_E.X", [1]),
      ]
    ),
    (
      "DEFT",
      #""r": 3, "decomposition_method": "relu", "init_scale": 1.0, "alpha": null, "para": false, "deft_dropout": 0.0, "init_weights": true, "bias": "none""#,
      [entry("m.deft_P", [6, 3]), entry("m.deft_R", [3, 4])]
    ),
    (
      "PEANUT", #""r": 3, "depth": 1, "act_fn": "relu", "scaling": 1.0, "init_weights": true"#,
      [
        entry("m.peanut_A.weight", [3, 6]), entry("m.peanut_B.weight", [6, 3]),
        entry("m.peanut_encoders.0.weight", [3, 3]), entry("m.peanut_decoders.0.weight", [3, 3]),
      ]
    ),
    (
      "OSF", #""effective_rank": null, "rank_pattern": null, "init_weights": true, "target_svd_config": null"#,
      [
        entry("m.osf_svd_params.U_low", [6, 2]), entry("m.osf_svd_params.S_low", [2]),
        entry("m.osf_svd_params.V_low", [2, 4]),
      ]
    ),
  ]

  private func json(_ type: String, _ fields: String = "") -> String {
    "{\"peft_type\": \"\(type)\"\(fields.isEmpty ? "" : ", ")\(fields)}"
  }

  private func tuner(_ type: String) throws -> (type: String, fields: String, tensors: [Entry]) {
    try #require(Self.tuners.first { $0.type == type })
  }

  @Test func everyFieldOfPEFTIsKnown() throws {
    for tuner in Self.tuners {
      let found = try adapter(json: json(tuner.type, tuner.fields), tuner.tensors)
      let update = try #require(found.updates.first)
      #expect(update.outFeatures == 6 && update.scaling == 1, "\(tuner.type)")
      #expect(update.tensorIndices.count == tuner.tensors.count, "\(tuner.type)")
    }
  }

  @Test func aTensorThatIsMissingIsAnError() throws {
    for tuner in Self.tuners {
      for index in tuner.tensors.indices {
        var lost = tuner.tensors
        lost.remove(at: index)
        #expect(try refusal(json: json(tuner.type, tuner.fields), lost).errorClass == "pair", "\(tuner.type) \(index)")
      }
    }
  }

  @Test func aTensorOfAnotherShapeIsAnError() throws {
    for tuner in Self.tuners {
      // What alone says the outputs or the inputs is compared with the base.
      for index in tuner.tensors.indices
      where !["deft_P", "osf_svd_params.U_low"].contains(where: tuner.tensors[index].name.contains) {
        var wrong = tuner.tensors
        wrong[index].shape[0] += 1
        let found = try refusal(json: json(tuner.type, tuner.fields), wrong).errorClass
        #expect(["rank", "shape"].contains(found), "\(tuner.type) \(index): \(found)")
      }
    }
  }

  @Test func gloraHasVectorsNumbersAndZeros() throws {
    let vectors = #""config_A_B": "vector", "config_C": "vector", "config_D_E": "vector""#
    let own = [
      entry("m.glora_A.X", [6, 1]), entry("m.glora_B.X", [6, 1]), entry("m.glora_C.X", [4, 1]),
      entry("m.glora_D.X", [6]), entry("m.glora_E.X", [6]),
    ]
    let update = try adapter(json: json("GLORA", vectors), own).updates[0]
    #expect(update.outFeatures == 6 && update.inFeatures == 4 && update.isFitted)
    #expect(update.bias?.count == 6 && update.bias?.isRequired == true && update.bias?.image != nil)
    let numbers = #""config_A_B": "constant", "config_C": "none""#
    let few =
      ["A", "B", "D", "E"].map { entry("m.glora_\($0).X", [1]) } + [entry("m.glora_C.zeros", [4, 1])]
    let other = try adapter(json: json("GLORA", numbers), few).updates[0]
    #expect(other.outFeatures == nil && other.inFeatures == 4 && other.isFitted)
    #expect(other.bias?.count == .some(nil) && other.bias?.image == nil)
    // A layer without a bias.
    let zeros =
      try tuner("GLORA").tensors[..<4] + [
        entry("m.glora_C.zeros", [4, 1]), entry("m.glora_D.zeros", [6]), entry("m.glora_E.zeros", [6]),
      ]
    #expect(try adapter(json: json("GLORA"), Array(zeros)).updates[0].bias == nil)
    for (field, value) in [("config_C", "constant"), ("config_D_E", "lora"), ("config_A_B", "x")] {
      let error = try refusal(json: json("GLORA", "\"\(field)\": \"\(value)\""), Array(zeros))
      #expect(error.errorClass == "adapter-config")
    }
  }

  @Test func deftMayHaveNothingToPutIn() throws {
    let fields = #""r": 9, "para": true, "decomposition_method": "qr""#
    // No layer has more directions than outputs.
    let update = try adapter(json: json("DEFT", fields), [entry("m.deft_P", [6, 6])]).updates[0]
    #expect(update.rank == 6 && update.inFeatures == nil && update.isFitted)
    let both = [entry("m.deft_P", [6, 6]), entry("m.deft_R", [6, 4])]
    #expect(try refusal(json: json("DEFT", fields), both).errorClass == "adapter-conflict")
    #expect(
      try refusal(json: json("DEFT", #""decomposition_method": "svd""#), both).errorClass == "adapter-config")
  }

  @Test func peanutHasTheLayersOfItsDepth() throws {
    let tensors = try tuner("PEANUT").tensors
    #expect(try refusal(json: json("PEANUT", #""r": 3"#), tensors).errorClass == "adapter-key")
    #expect(try refusal(json: json("PEANUT", #""r": 3, "depth": 2"#), tensors).errorClass == "pair")
    for depth in ["-1", "33", "1.5"] {
      #expect(
        try refusal(json: json("PEANUT", "\"r\": 3, \"depth\": \(depth)"), tensors).errorClass == "adapter-config")
    }
    let unknown = #""r": 3, "depth": 1, "act_fn": "softmax""#
    #expect(try refusal(json: json("PEANUT", unknown), tensors).errorClass == "adapter-config")
    let xielu = #""r": 3, "depth": 1, "act_fn": "xielu""#
    #expect(try refusal(json: json("PEANUT", xielu), tensors).errorClass == "unsupported")
  }

  @Test func osfKeepsASingularValue() throws {
    let all = [
      entry("m.osf_svd_params.U_low", [6, 4]), entry("m.osf_svd_params.S_low", [4]),
      entry("m.osf_svd_params.V_low", [4, 4]),
    ]
    #expect(try refusal(json: json("OSF"), all).errorClass == "shape")
  }
}
