import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

/// C3A, GraLoRA, BEFT, and MiSS in its form of blocks.
@Suite struct PartedTunerTests {
  private func json(_ type: String, _ fields: String = "") -> String {
    "{\"peft_type\": \"\(type)\"\(fields.isEmpty ? "" : ", ")\(fields)}"
  }

  private static let gralora: [Entry] = [
    entry("m.gralora_A", [2, 3, 32]), entry("m.gralora_B", [2, 32, 5]),
  ]

  @Test func everyFieldOfPEFTIsKnown() throws {
    let c3a = #""block_size": 256, "bias": "c3a_only", "block_size_pattern": {}, "init_weights": "xavier_uniform""#
    let circulant = try adapter(json: json("C3A", c3a), [entry("m.c3a_kernel", [3, 2, 4])]).updates[0]
    #expect(circulant.outFeatures == 12 && circulant.inFeatures == 8 && circulant.scaling == 1 / 8)
    guard case .circulant(let kernels, 4)? = circulant.terms.first?.formula else {
      Issue.record("no circulant blocks")
      return
    }
    #expect(kernels.rows == 3 && kernels.columns == 8)
    let beft = try adapter(json: json("BEFT", #""init_weights": true"#), [entry("m.beft_bias", [1, 6])]).updates[0]
    #expect(beft.layout == .vector && beft.target == .parameter("bias") && beft.outFeatures == 6)
  }

  @Test func eachPartOfGraLoRAHasItsProduct() throws {
    let fields =
      #""r": 32, "hybrid_r": 0, "alpha": 64, "gralora_dropout": 0.0, "gralora_k": 2, "fan_in_fan_out": false, "#
      + #""bias": "gralora_only", "init_weights": true"#
    let update = try adapter(json: json("GRALORA", fields), Self.gralora).updates[0]
    #expect(update.outFeatures == 10 && update.inFeatures == 6 && update.scaling == 2 && !update.scalesSum)
    #expect(update.terms.map(\.rows) == [0..<5, 0..<5, 5..<10, 5..<10])
    #expect(update.terms.map(\.columns) == [0..<3, 3..<6, 0..<3, 3..<6])
    let product = try #require(update.products.last)
    // Rows 16 to 31 of B_1, and columns 16 to 31 of A_1.
    #expect(
      product.left == Factor(update.b, rows: 5, columns: 16, offset: 240, rowStride: 1, columnStride: 5))
    #expect(
      product.right == Factor(update.a, rows: 16, columns: 3, offset: 112, rowStride: 1, columnStride: 32))
  }

  @Test func theHybridFormHasAProductMore() throws {
    let hybrid =
      Self.gralora + [entry("m.gralora_A_general.weight", [4, 6]), entry("m.gralora_B_general.weight", [10, 4])]
    let update = try adapter(json: json("GRALORA", #""hybrid_r": 4, "alpha": 9"#), hybrid).updates[0]
    #expect(update.terms.count == 5 && update.scaling == 0.25 && update.scalesSum)
    #expect(try refusal(json: json("GRALORA"), hybrid).errorClass == "rank")
    #expect(try refusal(json: json("GRALORA", #""hybrid_r": 4"#), Self.gralora).errorClass == "pair")
    #expect(try refusal(json: json("GRALORA", #""r": 33"#), Self.gralora).errorClass == "adapter-config")
    for (index, shape) in [[2, 3, 16], [3, 3, 32], [2, 3], [2, 16, 5], [1, 32, 5]].enumerated() {
      var wrong = Self.gralora
      wrong[index < 3 ? 0 : 1].shape = shape
      #expect(["rank", "shape"].contains(try refusal(json: json("GRALORA"), wrong).errorClass), "\(shape)")
    }
  }

  @Test func aTensorOfAnotherShapeIsAnError() throws {
    for (type, key, shape) in [
      ("C3A", "m.c3a_kernel", [3, 8]), ("C3A", "m.c3a_kernel", [3, 2, 0]), ("BEFT", "m.beft_bias", [6]),
      ("BEFT", "m.beft_bias", [2, 6]),
    ] {
      #expect(try refusal(json: json(type), [entry(key, shape)]).errorClass == "shape", "\(key) \(shape)")
    }
  }

  @Test func theFormBatHasBlocks() throws {
    let fields = #""r": 4, "init_weights": "bat""#
    let update = try adapter(json: json("MISS", fields), [entry("m.miss_block", [3, 4, 4])]).updates[0]
    #expect(update.outFeatures == 12 && update.columnUnit == 4 && update.scaling == nil)
    guard case .rotate(let rotation)? = update.steps.first, case .bands(let blocks, 4) = rotation.form else {
      Issue.record("no bands")
      return
    }
    #expect(blocks.rows == 12 && blocks.columns == 4)
    for shape in [[4, 12], [3, 4, 5], [3, 2, 2]] {
      #expect(try refusal(json: json("MISS", fields), [entry("m.miss_block", shape)]).errorClass == "shape")
    }
  }
}
