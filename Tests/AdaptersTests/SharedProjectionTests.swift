import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

/// VeRA and PVeRA, whose modules share tensors.
@Suite struct SharedProjectionTests {
  /// Every field of PEFT 0.21.2's `VeraConfig` with its default.
  private static let defaults = """
    "task_type": null, "peft_type": "VERA", "auto_mapping": null, "peft_version": "0.21.2",
    "base_model_name_or_path": null, "revision": null, "inference_mode": false, "r": 256, "target_modules": null,
    "projection_prng_key": 0, "save_projection": true, "vera_dropout": 0.0, "d_initial": 0.1, "fan_in_fan_out": false,
    "bias": "none", "modules_to_save": null, "init_weights": true, "layers_to_transform": null, "layers_pattern": null
    """

  private func tensors(_ prefix: String = "vera", rank: Int = 4, rows: Int = 6) -> [Entry] {
    [
      Entry("base_model.\(prefix)_A", [rank, 9]), Entry("base_model.\(prefix)_B", [8, 4]),
      entry("m.\(prefix)_lambda_b", [rows]), entry("m.\(prefix)_lambda_d", [rank]),
      entry("n.\(prefix)_lambda_b", [8]), entry("n.\(prefix)_lambda_d", [rank]),
    ]
  }

  @Test func everyFieldOfPEFTIsKnown() throws {
    let found = try adapter(
      json: "{\(Self.defaults.replacing("256", with: "4"))}", tensors())
    #expect(found.config.methodName == "VeRA" && found.updates.map(\.outFeatures) == [6, 8])
    #expect(
      found.updates.allSatisfy {
        $0.inFeatures == nil && $0.isFitted && $0.scaling == 1 && $0.alpha == nil
      })
    #expect(found.warnings == [])
  }

  @Test func meansAreTheFirstHalf() throws {
    let found = try adapter(json: #"{"peft_type": "PVERA", "r": 4}"#, tensors("pvera", rank: 8))
    guard
      case .composed(_, .hadamard(.matrix(let a), _))? = found.updates.first?.terms.first?.formula
    else {
      Issue.record("no product of scaled projections")
      return
    }
    #expect(a.rows == 4 && a.columns == 9)
  }

  @Test func theAdaptersNameIsTakenOut() throws {
    var named = tensors()
    named[0].name += ".default"
    #expect(try adapter(json: #"{"peft_type": "VERA", "r": 4}"#, named).updates.count == 2)
  }

  @Test func projectionsThatAreNotInTheFileAreDrawn() throws {
    let without = Array(tensors().dropFirst(2))
    #expect(try refusal(json: #"{"peft_type": "VERA", "r": 4}"#, without).errorClass == "pair")
    let fields = #"{"peft_type": "VERA", "r": 4, "save_projection": false, "projection_prng_key": 9}"#
    let updates = try adapter(json: fields, without).updates
    guard case .open(.projections(let drawn))? = updates.first?.terms.first?.formula else {
      Issue.record("no projections that are drawn")
      return
    }
    #expect(drawn.seed == 9 && drawn.rank == 4 && drawn.drawnRows == 4 && updates[0].draws)
    let sized = updates[0].sized(AdaptedWeights(rows: 8, columns: 9, dtype: .bf16))
    guard case .open(.projections(let known))? = sized.terms.first?.formula else { return }
    let draws = known.draws(rows: 6, columns: 5)
    #expect(draws.a.count == 36 && draws.a.rowStride == 9 && draws.a.columns == 5)
    #expect(draws.b.skipped == 36 && draws.b.count == 32 && draws.b.rows == 6 && draws.b.dtype == .bf16)
    // One of the two is not enough, and what is there counts.
    #expect(try refusal(json: fields, Array(tensors().dropFirst())).errorClass == "pair")
    #expect(try adapter(json: fields, tensors()).updates.allSatisfy { !$0.draws })
    let wrong = #"{"peft_type": "VERA", "r": 4, "save_projection": false, "projection_prng_key": "x"}"#
    #expect(try refusal(json: wrong, without).errorClass == "adapter-config")
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let json = #"{"peft_type": "VERA", "r": 4}"#
    for index in 2..<6 {
      var lost = tensors()
      lost.remove(at: index)
      #expect(try refusal(json: json, lost).errorClass == "pair")
    }
    #expect(try refusal(json: #"{"peft_type": "VERA", "r": 8}"#, tensors()).errorClass == "rank")
    #expect(try refusal(json: json, tensors(rows: 9)).errorClass == "shape")
    #expect(try refusal(json: json, tensors() + pair("m")).errorClass == "adapter-key")
  }

  @Test func biasesHaveTheTunersOwnWord() throws {
    let biases = tensors() + [entry("m.base_layer.bias", [6])]
    #expect(
      try adapter(json: #"{"peft_type": "VERA", "r": 4, "bias": "vera_only"}"#, biases).replacements
        .count == 1)
    let wrong = #"{"peft_type": "VERA", "r": 4, "bias": "lora_only"}"#
    #expect(try refusal(json: wrong, biases).errorClass == "adapter-config")
  }
}
