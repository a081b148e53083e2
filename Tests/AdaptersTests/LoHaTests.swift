import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

@Suite struct LoHaTests {
  /// Every field of PEFT 0.21.2's `LoHaConfig` with its default.
  private static let defaults = """
    "task_type": null, "peft_type": "LOHA", "auto_mapping": null, "peft_version": "0.21.2",
    "base_model_name_or_path": null, "revision": null, "inference_mode": false, "rank_pattern": {}, "alpha_pattern": {},
    "r": 8, "alpha": 8, "rank_dropout": 0.0, "module_dropout": 0.0, "use_effective_conv2d": false,
    "target_modules": null, "exclude_modules": null, "init_weights": true, "layers_to_transform": null,
    "layers_pattern": null, "modules_to_save": null
    """

  private func factors(_ module: String, rank: Int = 8, rows: Int = 6, columns: Int = 4) -> [Entry] {
    ["1", "2"].flatMap {
      [entry("\(module).hada_w\($0)_a", [rows, rank]), entry("\(module).hada_w\($0)_b", [rank, columns])]
    }
  }

  private func cores(_ module: String, rank: Int = 8, kernel: [Int] = [3, 2]) -> [Entry] {
    ["1", "2"].flatMap {
      [
        entry("\(module).hada_w\($0)_a", [rank, 6]), entry("\(module).hada_w\($0)_b", [rank, 4]),
        entry("\(module).hada_t\($0)", [rank, rank] + kernel),
      ]
    }
  }

  @Test func everyFieldOfPEFTIsKnown() throws {
    let found = try adapter(json: "{\(Self.defaults)}", factors("m"))
    #expect(found.updates.map(\.scaling) == [1] && found.config.methodName == "LoHa")
    #expect(try refusal(json: #"{"peft_type": "LOHA", "use_dora": true}"#, factors("m")).errorClass == "unsupported")
  }

  @Test func patternsDecideByModule() throws {
    let fields = #""r": 4, "alpha": 6, "rank_pattern": {"b": 2}, "alpha_pattern": {"^c": 1, "x": 3}"#
    let found = try adapter(
      json: "{\"peft_type\": \"loha\", \(fields)}",
      factors("a", rank: 4) + factors("b", rank: 2) + factors("c", rank: 4))
    #expect(found.updates.map(\.rank) == [4, 2, 4] && found.updates.map(\.scaling) == [1.5, 3, 0.25])
    #expect(found.unusedPatterns.map(\.key) == ["x"])
  }

  @Test func aCoreMakesTheKernel() throws {
    let update = try adapter(json: #"{"peft_type": "LOHA"}"#, cores("m")).updates[0]
    #expect(update.layout == .flattened && update.outFeatures == 6 && update.inFeatures == 24)
    #expect(update.tensorIndices.sorted() == Array(0..<6))
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let type = #"{"peft_type": "LOHA"}"#
    #expect(try refusal(json: type, Array(factors("m").dropLast())).errorClass == "pair")
    #expect(try refusal(json: type, Array(cores("m").dropLast())).errorClass == "pair")
    #expect(try refusal(json: type, factors("m", rank: 4)).errorClass == "rank")
    #expect(try refusal(json: type, cores("m", kernel: [])).errorClass == "shape")
    var wrong = factors("m")
    wrong[2].shape = [5, 8]
    #expect(try refusal(json: type, wrong).errorClass == "shape")
  }

  @Test func keysOfOtherTunersAreNotRead() throws {
    #expect(try refusal(json: #"{"peft_type": "LOHA"}"#, pair("m")).errorClass == "adapter-key")
    #expect(try refusal(json: #"{"peft_type": "LOHA"}"#, factors("m.base_layer")).errorClass == "nesting")
  }
}
