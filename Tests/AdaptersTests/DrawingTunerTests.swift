import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

/// RandLoRA, Uni-LoRA, TinyLoRA, FourierFT, WaveFT and Super-Tuning.
@Suite struct DrawingTunerTests {
  /// Every field of PEFT 0.21.2 that only one of the tuners has, with its default or what a merge needs, and tensors of one module.
  private static let tuners: [(type: String, fields: String, tensors: [Entry])] = [
    (
      "RANDLORA",
      #""r": 4, "randlora_alpha": 640, "projection_prng_key": 0, "save_projection": true, "sparse": false, "very_sparse": false, "randlora_dropout": 0.0, "init_weights": true, "bias": "none""#,
      [
        Entry("base_model.randlora_A", [4, 1, 6]), Entry("base_model.randlora_B", [9, 2, 4]),
        entry("m.randlora_lambda", [4, 2]), entry("m.randlora_gamma", [2, 6]),
        entry("m.randlora_A", [4, 1, 6]), entry("m.randlora_B", [9, 2, 4]),
      ]
    ),
    (
      "UNILORA",
      #""r": 4, "proj_seed": 42, "theta_d_length": 7, "unilora_dropout": 0.0, "init_theta_d_bound": 0.02, "init_weights": true, "save_indices": true, "bias": "none""#,
      [
        Entry("base_model.unilora_theta_d", [7]), entry("m.unilora_indices_A", [4, 6], .i64),
        entry("m.unilora_scales_A", [4, 6]), entry("m.unilora_indices_B", [9, 4], .i64),
        entry("m.unilora_scales_B", [9, 4]),
      ]
    ),
    (
      "TINYLORA",
      #""r": 2, "u": 5, "weight_tying": 0.0, "projection_seed": 42, "save_projection": true, "init_v_bound": 0.02, "tinylora_dropout": 0.0, "init_weights": true, "bias": "none""#,
      [
        Entry("base_model.tinylora_v.0", [5]), entry("m.tinylora_A", [2, 6]), entry("m.tinylora_B", [9, 2]),
        entry("m.tinylora_P", [5, 2, 2]),
      ]
    ),
    (
      "FOURIERFT",
      #""n_frequency": 8, "scaling": 150.0, "random_loc_seed": 777, "n_frequency_pattern": {}, "init_weights": false, "exclude_modules": null, "bias": "none""#,
      [entry("m.fourierft_spectrum", [8])]
    ),
    (
      "WAVEFT",
      #""n_frequency": 8, "scaling": 25.0, "wavelet_family": "db1", "use_idwt": true, "random_loc_seed": 777, "n_frequency_pattern": {}, "proportional_parameters": false, "init_weights": true, "bias": "none""#,
      [entry("m.waveft_spectrum", [8])]
    ),
    (
      "SUPERTUNING",
      #""sparsity": 0.99, "select_top": true, "r": 2, "lora_alpha": 3, "lora_dropout": 0.0, "init_weights": true, "save_precomputed_indices": true"#,
      [
        entry("m.supertuning_values", [5]), entry("m.supertuning_indices", [5], .i32),
        entry("m.supertuning_lora_A.weight", [2, 6]), entry("m.supertuning_lora_B.weight", [9, 2]),
      ]
    ),
  ]

  private func json(_ type: String, _ fields: String = "") -> String {
    "{\"peft_type\": \"\(type)\"\(fields.isEmpty ? "" : ", ")\(fields)}"
  }

  @Test func everyFieldOfPEFTIsKnown() throws {
    for tuner in Self.tuners {
      let found = try adapter(json: json(tuner.type, tuner.fields), tuner.tensors)
      #expect(found.updates.count == 1 && found.updates[0].scaling != nil, "\(tuner.type)")
      #expect(found.updates[0].tensorIndices.count == tuner.tensors.count, "\(tuner.type)")
    }
  }

  @Test func aTensorThatIsMissingIsAnError() throws {
    for tuner in Self.tuners where tuner.tensors.count > 1 {
      for index in tuner.tensors.indices {
        var lost = tuner.tensors
        lost.remove(at: index)
        #expect(
          try refusal(json: json(tuner.type, tuner.fields), lost).errorClass == "pair", "\(tuner.type) \(index)")
      }
    }
  }

  @Test func aTensorOfAnotherShapeIsAnError() throws {
    // The base tells these.
    let open = ["base_model.randlora_B", "tinylora_B", "supertuning_lora_B"]
    for tuner in Self.tuners {
      for index in tuner.tensors.indices where !open.contains(where: tuner.tensors[index].name.hasSuffix) {
        var wrong = tuner.tensors
        wrong[index].shape[0] += 1
        if open.contains(where: { wrong[index].name.contains($0) }) || wrong[index].name.hasSuffix("indices_B") {
          continue
        }
        let found = try refusal(json: json(tuner.type, tuner.fields), wrong).errorClass
        #expect(["rank", "shape"].contains(found), "\(tuner.type) \(index): \(found)")
      }
    }
  }

  @Test func matricesOfRandLoRAThatAreNotInTheFileAreDrawn() throws {
    let own = [entry("m.randlora_lambda", [4, 2]), entry("m.randlora_gamma", [2, 6])]
    let fields = #""r": 4, "save_projection": false"#
    let update = try adapter(json: json("RANDLORA", fields), own).updates[0]
    #expect(update.draws && update.dependsOnLargest && update.scaling == 160)
    #expect(try refusal(json: json("RANDLORA", #""r": 4"#), own).errorClass == "pair")
    let copied = own + [entry("m.randlora_A", [4, 1, 6])]
    #expect(try refusal(json: json("RANDLORA", fields), copied).errorClass == "pair")
    guard case .open(.bases(let bases))? = update.terms.first?.formula else {
      Issue.record("no bases")
      return
    }
    var known = bases
    known.weights = AdaptedWeights(rows: 20, columns: 11, dtype: .f32)
    let draws = known.draws(seed: 0, .uniform, rows: 9, columns: 6)
    #expect(draws.a.count == 44 && draws.b.skipped == 44 && draws.b.count == 240)
    #expect(draws.b.place(row: 2, column: 5) == 80 + 2 * 4 + 1)
    #expect(draws.b.transposed.place(row: 5, column: 2) == 89)
  }

  @Test func whatTheFileDoesNotHoldIsRefused() throws {
    let cases = [
      ("UNILORA", #""save_indices": false"#, "save_indices"), ("UNILORA", "", "save_indices"),
      ("TINYLORA", #""save_projection": false"#, "save_projection"),
      ("SUPERTUNING", #""save_precomputed_indices": false"#, "save_precomputed_indices"),
    ]
    for (type, fields, field) in cases {
      let error = try refusal(json: json(type, fields), pair("m"))
      #expect(error.errorClass == "unsupported" && error.hint?.contains(field) ?? false, "\(type)")
    }
  }

  @Test func waveletsThatPEFTCannotComputeAreRefused() throws {
    let tensors = [entry("m.waveft_spectrum", [8])]
    for family in ["db11", "coif5", "sym1", "haar", "x"] {
      let fields = #""n_frequency": 8, "wavelet_family": "\#(family)""#
      #expect(try refusal(json: json("WAVEFT", fields), tensors).errorClass == "unsupported")
      #expect(try adapter(json: json("WAVEFT", fields + #", "use_idwt": false"#), tensors).updates.count == 1)
    }
    #expect(WaveletFilters.all.count == 23)
    for (name, filter) in WaveletFilters.all where name != "coif4" {
      #expect(abs(filter.reduce(0, +) - 2.0.squareRoot()) < 1e-9, "\(name)")
    }
  }

  @Test func numbersOfValuesFollowPatterns() throws {
    let fields = #""n_frequency": 8, "n_frequency_pattern": {"v": 3, "w": 4}"#
    let tensors = [entry("q.fourierft_spectrum", [8]), entry("v.fourierft_spectrum", [3])]
    let found = try adapter(json: json("FOURIERFT", fields), tensors)
    #expect(found.updates.count == 2 && found.unusedPatterns == [UnusedPattern(field: "n_frequency_pattern", key: "w")])
    let wrong = [entry("v.fourierft_spectrum", [8])]
    #expect(try refusal(json: json("FOURIERFT", fields), wrong).errorClass == "shape")
    let open = #""n_frequency": 8, "proportional_parameters": true"#
    #expect(try adapter(json: json("WAVEFT", open), [entry("q.waveft_spectrum", [5])]).updates.count == 1)
    #expect(
      try refusal(json: json("FOURIERFT", #""random_loc_seed": null"#), wrong).errorClass == "adapter-config")
  }

  @Test func aModuleThatTheConfigNamesIsNotLost() throws {
    let fields = #""n_frequency": 8, "target_modules": ["q", "v"]"#
    let found = try adapter(json: json("FOURIERFT", fields), [entry("q.fourierft_spectrum", [8])])
    #expect(found.fieldReplacing("v.weight") == "target_modules" && found.fieldReplacing("w.weight") == nil)
  }

  @Test func factorsOfSuperTuningNeedARank() throws {
    let tensors = Self.tuners[5].tensors
    #expect(try refusal(json: json("SUPERTUNING", #""r": null"#), tensors).errorClass != "internal")
    let plain = try adapter(json: json("SUPERTUNING", #""r": null, "lora_alpha": null"#), Array(tensors.prefix(2)))
    #expect(plain.updates[0].steps.count == 1 && plain.updates[0].outFeatures == nil)
    let both = try adapter(json: json("SUPERTUNING", #""r": 2, "lora_alpha": null"#), tensors)
    #expect(both.updates[0].steps.count == 2 && both.updates[0].steps[1].terms[0].scaling == 2)
  }
}
