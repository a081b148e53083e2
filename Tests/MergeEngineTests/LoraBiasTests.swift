import Safetensors
import TestSupport
import Testing

/// `lora_bias`: base bias + scaling * bias of lora_B, through the whole pipeline.
///
/// The values are such that in every dtype b + l, b + s * l and b + s * s * l are exact and three different numbers.
@Suite struct LoraBiasTests {
  static let base: [Float] = [1, -2, 0.5, 8, 0]
  static let loraBias: [Float] = [0.25, 0.75, -3, 0.5, 1]
  static let scaling: Float = 4

  /// Merges an adapter with alpha / r = 8 / 2; returns the merged bias.
  private func merged(_ dtype: DType, _ factors: DType, spelling: String) throws -> [Float] {
    let scratch = try Scratch()
    let base = scratch.file("base.safetensors")
    try writeFile(
      base,
      [
        TestTensor("m.bias", dtype, [5], numbers: Self.base),
        TestTensor("m.weight", dtype, [5, 3], numbers: [Float](repeating: 0.5, count: 15)),
      ])
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 2, alpha: "8",
      [
        TestTensor("m.lora_A.weight", factors, [2, 3], numbers: [1, 2, 3, 4, 5, 6]),
        TestTensor("m.lora_B.weight", factors, [5, 2], numbers: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        TestTensor("m.\(spelling)", factors, [5], numbers: Self.loraBias),
      ], fields: "\"lora_bias\": true")
    let output = scratch.file("merged.safetensors")
    try TestMerge(base: base, adapter: adapter, output: output).run()
    return Elements.numbers(try #require(try LoadedFile(output).elements("m.bias")), dtype)
  }

  private func expected(_ times: Float) -> [Float] { zip(Self.base, Self.loraBias).map { $0 + times * $1 } }

  @Test(arguments: [DType.f32, .f16, .bf16], [DType.f32, .f16, .bf16])
  func isNotAddedWithoutTheScaling(dtype: DType, factors: DType) throws {
    let found = try merged(dtype, factors, spelling: "lora_B.bias")
    for (element, unscaled) in zip(found, expected(1)) { #expect(element != unscaled) }
    #expect(found == expected(Self.scaling))
  }

  @Test(arguments: [DType.f32, .f16, .bf16], ["lora_B.bias", "lora_bias"])
  func isNotScaledTwice(dtype: DType, spelling: String) throws {
    let found = try merged(dtype, .f32, spelling: spelling)
    for (element, twice) in zip(found, expected(Self.scaling * Self.scaling)) { #expect(element != twice) }
    #expect(found == expected(Self.scaling))
  }
}
