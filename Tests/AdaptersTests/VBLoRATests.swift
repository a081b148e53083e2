import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

@Suite struct VBLoRATests {
  /// Every field of PEFT 0.21.2's `VBLoRAConfig` with its default.
  private static let defaults = """
    "task_type": null, "peft_type": "VBLORA", "auto_mapping": null, "peft_version": "0.21.2",
    "base_model_name_or_path": null, "revision": null, "inference_mode": false, "r": 4, "num_vectors": 9,
    "vector_length": 256, "topk": 2, "target_modules": null, "exclude_modules": null, "save_only_topk_weights": false,
    "vblora_dropout": 0.0, "fan_in_fan_out": false, "bias": "none", "modules_to_save": null,
    "init_vector_bank_bound": 0.02, "init_logits_std": 0.1, "layers_to_transform": null, "layers_pattern": null
    """
  private static let saved = #"{"peft_type": "VBLORA", "save_only_topk_weights": true}"#
  private static let bank = Entry("base_model.vblora_vector_bank", [9, 3])

  /// A layer of 6 x 12 with vectors of length 3.
  private let logits = [
    bank, entry("m.vblora_logits_A", [4, 4, 9]), entry("m.vblora_logits_B", [2, 4, 9]),
  ]
  private let weights =
    [bank]
    + [("A", [4, 4]), ("B", [2, 4])].flatMap { letter, shape in
      [
        entry("m.vblora_logits_\(letter)_topk_indices", shape + [2], .u8),
        entry("m.vblora_logits_\(letter)_topk_weights", shape + [1]),
      ]
    }

  @Test func everyFieldOfPEFTIsKnown() throws {
    let found = try adapter(json: "{\(Self.defaults)}", logits)
    let update = try #require(found.updates.first)
    #expect(found.config.methodName == "VB-LoRA" && update.outFeatures == 6 && update.inFeatures == 12)
    #expect(update.rank == 4 && update.alpha == nil && update.scaling == 1 && found.warnings == [])
  }

  @Test func theLargestWeightsMayBeInTheFile() throws {
    let update = try #require(try adapter(json: Self.saved, weights).updates.first)
    #expect(update.outFeatures == 6 && update.inFeatures == 12 && update.tensorIndices.count == 5)
  }

  /// Element (m, n) of both factors, by the shapes (r, in / length, vectors) and (out / length, r, vectors).
  @Test func everyElementHasItsVector() throws {
    let update = try #require(try adapter(json: "{\(Self.defaults)}", logits).updates.first)
    guard case .composed(.mixed(let b), .mixed(let a))? = update.terms.first?.formula else {
      Issue.record("no product of mixtures")
      return
    }
    #expect(a.place(row: 2, column: 7, length: 3) == (10, 1))
    #expect(b.place(row: 4, column: 3, length: 3) == (7, 1))
    #expect(b.transposed.place(row: 3, column: 4, length: 3) == (7, 1))
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let json = "{\(Self.defaults)}"
    for index in logits.indices {
      var lost = logits
      lost.remove(at: index)
      #expect(try refusal(json: json, lost).errorClass == "pair")
      for axis in logits[index].shape.indices.dropFirst(index == 0 ? 2 : 0) where axis != (index == 1 ? 1 : 0) {
        var wrong = logits
        wrong[index].shape[axis] += 1
        #expect(["rank", "shape"].contains(try refusal(json: json, wrong).errorClass), "\(index) \(axis)")
      }
    }
    for index in weights.indices {
      var lost = weights
      lost.remove(at: index)
      #expect(try refusal(json: Self.saved, lost).errorClass == "pair")
    }
    #expect(try refusal(json: Self.saved, logits + weights.dropFirst()).errorClass == "adapter-conflict")
    #expect(try refusal(json: json, logits + weights.dropFirst()).errorClass == "adapter-conflict")
  }
}
