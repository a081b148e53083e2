import Checkpoints
import Inspection
import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import MergeChecking

/// Updates that are more than a sum, of modules that the base has beside others in one tensor: the bits are those of a base that
/// has them apart, and the check finds them exact.
@Suite struct PartOfTensorTests {
  private static let attention = "model.layers.0.self_attn"
  private static let config =
    #"{"hidden_size": 24, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}"#
  private static let parts = [("q_proj", 16), ("k_proj", 8), ("v_proj", 8)]
  private static let columns = 24

  struct Kind: CustomTestStringConvertible, Sendable {
    let fields: String
    /// Of a module of so many rows: names and shapes.
    let tensors: @Sendable (Int) -> [(String, [Int])]
    var testDescription: String { fields }
  }

  static let kinds = [
    Kind(fields: #""peft_type": "LORA", "use_dora": true, "r": 4, "lora_alpha": 6"#) {
      [("lora_A.weight", [4, columns]), ("lora_B.weight", [$0, 4]), ("lora_magnitude_vector", [$0])]
    },
    Kind(fields: #""peft_type": "OFT", "use_cayley_neumann": false"#) { _ in [("oft_R.weight", [6, 6])] },
    Kind(fields: #""peft_type": "ROAD", "group_size": 4"#) { [("road_theta", [$0 / 2]), ("road_alpha", [$0 / 2])] },
    Kind(fields: #""peft_type": "LOKR", "r": 4, "alpha": 6"#) { [("lokr_w1", [4, 4]), ("lokr_w2", [$0 / 4, 6])] },
  ]

  @Test(arguments: kinds, [["q_proj"], ["k_proj", "v_proj"]])
  func isTheSameAsApart(_ kind: Kind, _ modules: [String]) throws {
    let scratch = try Scratch()
    var random = SeededGenerator(seed: 7)
    func bytes(_ count: Int) -> [UInt8] {
      (0..<count).flatMap { _ in
        withUnsafeBytes(of: Float.random(in: -1...1, using: &random).bitPattern) { Array($0) }
      }
    }
    let weights = Self.parts.map {
      TestTensor("\(Self.attention).\($0.0).weight", .f32, [$0.1, Self.columns], bytes: bytes($0.1 * Self.columns))
    }
    let fused = TestTensor(
      "\(Self.attention).qkv_proj.weight", .f32, [32, Self.columns], bytes: weights.flatMap(\.bytes))
    let adapter = modules.flatMap { module -> [TestTensor] in
      let rows = Self.parts.first { $0.0 == module }?.1 ?? 0
      return kind.tensors(rows).map { name, shape in
        TestTensor(
          "base_model.model.\(Self.attention).\(module).\(name)", .f32, shape, bytes: bytes(shape.reduce(1, *)))
      }
    }
    let folder = try scratch.folder("adapter")
    try writeFile(folder + "/adapter_model.safetensors", adapter, metadata: #"{"format":"pt"}"#)
    try scratch.write("{\(kind.fields)}", to: "adapter/adapter_config.json")
    var results: [[UInt8]] = []
    for (name, tensors) in [("apart", weights), ("fused", [fused])] {
      let base = try scratch.folder(name)
      try writeFile(base + "/model.safetensors", tensors, metadata: #"{"format":"pt"}"#)
      try scratch.write(Self.config, to: "\(name)/config.json")
      let output = scratch.file(name + "-merged")
      try merge(base, [(folder, 1)], to: output)
      let report = try check(output, base, [(folder, 1)])
      #expect(report.findings == [])
      for tensor in report.tensors where tensor.verdict != .same { #expect(tensor.verdict == .exact) }
      let header = try SafetensorsHeader(path: output + "/model.safetensors")
      let file = try contents(output + "/model.safetensors")
      let places = tensors.compactMap { tensor in
        header.tensors.first { $0.name == TensorName(tensor.name) }?.dataOffsets
      }
      results.append(
        places.flatMap { Array(file[header.dataStart + $0.lowerBound..<header.dataStart + $0.upperBound]) })
    }
    #expect(results[0] == results[1] && results[0] != fused.bytes)
  }
}
