import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

@Suite struct LoKrTests {
  /// Every field of PEFT 0.21.2's `LoKrConfig` with its default.
  private static let defaults = """
    "task_type": null, "peft_type": "LOKR", "auto_mapping": null, "peft_version": "0.21.2",
    "base_model_name_or_path": null, "revision": null, "inference_mode": false, "rank_pattern": {}, "alpha_pattern": {},
    "r": 8, "alpha": 8, "rank_dropout": 0.0, "module_dropout": 0.0, "use_effective_conv2d": false,
    "decompose_both": false, "decompose_factor": -1, "rank_dropout_scale": false, "target_modules": null,
    "exclude_modules": null, "init_weights": true, "layers_to_transform": null, "layers_pattern": null,
    "modules_to_save": null
    """
  private static let type = #"{"peft_type": "LOKR"}"#

  private func entries(_ module: String, _ shapes: [String: [Int]]) -> [Entry] {
    shapes.sorted { $0.key < $1.key }.map { entry("\(module).lokr_\($0.key)", $0.value) }
  }

  /// w1 of 2 x 3 and w2 of 5 x 7, each whole or of factors.
  private func factors(_ module: String, isWhole: (Bool, Bool) = (true, true), rank: Int = 8)
    -> [Entry]
  {
    entries(module, isWhole.0 ? ["w1": [2, 3]] : ["w1_a": [2, rank], "w1_b": [rank, 3]])
      + entries(module, isWhole.1 ? ["w2": [5, 7]] : ["w2_a": [5, rank], "w2_b": [rank, 7]])
  }

  @Test func everyFieldOfPEFTIsKnown() throws {
    let found = try adapter(json: "{\(Self.defaults)}", factors("m"))
    #expect(found.updates.map(\.scaling) == [1] && found.config.methodName == "LoKr")
    #expect(found.updates[0].outFeatures == 10 && found.updates[0].inFeatures == 21)
  }

  @Test(arguments: [true, false], [true, false])
  func bothMatricesMayBeFactors(_ first: Bool, _ second: Bool) throws {
    let update = try adapter(json: Self.type, factors("m", isWhole: (first, second))).updates[0]
    #expect(update.outFeatures == 10 && update.inFeatures == 21 && update.layout == .flattened)
    #expect(update.tensorIndices.count == (first ? 1 : 2) + (second ? 1 : 2))
  }

  @Test func kernelsBelongToTheSecondMatrix() throws {
    let plane = try adapter(json: Self.type, entries("m", ["w1": [2, 3], "w2": [5, 7, 3, 2]]))
      .updates[0]
    guard case .kronecker(_, _, let one)? = plane.terms.first?.formula else {
      Issue.record("no Kronecker product")
      return
    }
    #expect(plane.inFeatures == 126 && one == 1)
    // Of one dimension torch exchanges the two.
    let line = try adapter(json: Self.type, entries("m", ["w1": [2, 3], "w2": [5, 7, 4]])).updates[
      0]
    guard case .kronecker(.matrix(let outer), _, let kernel)? = line.terms.first?.formula else {
      Issue.record("no Kronecker product")
      return
    }
    #expect(line.inFeatures == 84 && kernel == 4 && outer.rows == 5 && outer.columns == 28)
  }

  @Test func aCoreMakesTheKernel() throws {
    let shapes = ["w1": [2, 3], "w2_a": [8, 5], "w2_b": [8, 7], "t2": [8, 8, 3, 1]]
    let update = try adapter(json: Self.type, entries("m", shapes)).updates[0]
    #expect(update.outFeatures == 10 && update.inFeatures == 63)
  }

  @Test func patternsDecideByModule() throws {
    let fields =
      #""r": 4, "alpha": 6, "rank_pattern": {"b": 2}, "alpha_pattern": {"^c": 1, "x": 3}"#
    let found = try adapter(
      json: "{\"peft_type\": \"lokr\", \(fields)}",
      factors("a", isWhole: (true, false), rank: 4) + factors("b", isWhole: (false, false), rank: 2)
        + factors("c"))
    #expect(
      found.updates.map(\.rank) == [4, 2, 4] && found.updates.map(\.scaling) == [1.5, 3, 0.25])
    #expect(found.unusedPatterns.map(\.key) == ["x"])
  }

  @Test func whatDoesNotFitIsRefused() throws {
    #expect(try refusal(json: Self.type, Array(factors("m").dropLast())).errorClass == "pair")
    #expect(
      try refusal(json: Self.type, factors("m", isWhole: (true, false), rank: 4)).errorClass
        == "rank")
    #expect(
      try refusal(json: Self.type, entries("m", ["w1": [2], "w2": [5, 7]])).errorClass == "shape")
    #expect(
      try refusal(json: Self.type, entries("m", ["w1": [2, 3], "w2": [5, 7, 1, 1, 1]])).errorClass
        == "shape")
    let both = factors("m") + entries("m", ["w1_a": [2, 8]])
    #expect(try refusal(json: Self.type, both).errorClass == "adapter-conflict")
    let integers = factors("m").dropLast() + [entry("m.lokr_w2", [5, 7], .i32)]
    #expect(try refusal(json: Self.type, Array(integers)).errorClass == "dtype")
    #expect(try refusal(json: Self.type, pair("m")).errorClass == "adapter-key")
  }
}
