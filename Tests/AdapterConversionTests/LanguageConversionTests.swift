import AdapterConversion
import Adapters
import Checkpoints
import Foundation
import JSONText
import Merging
import Platform
import Safetensors
import TestSupport
import Testing

/// Adapters of language models are converted between PEFT and MLX: there and back every factor has its bytes, and what the dialect
/// cannot hold is an error, with nothing written.
@Suite struct LanguageConversionTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func convert(
    _ adapter: String, to dialect: AdapterDialect, base: String? = nil, _ name: String = "converted"
  ) throws -> String {
    let output = scratch.file(name + (dialect.isFolder ? "" : ".safetensors"))
    try write(try Adapter(path: adapter), to: dialect, base: try base.map { try Checkpoint(path: $0) }, output)
    return output
  }

  private static func mlx(_ name: String) -> String { fixturesPath() + "/mlx/\(name)/adapter" }

  @Test(arguments: ["lora", "lora-some", "lora-bf16", "dora", "head", "tied"])
  func fromMLXToPEFTAndBack(name: String) throws {
    let peft = try convert(Self.mlx(name), to: .peft, "there")
    let back = try convert(peft, to: .mlx, "back")
    #expect(try tensors(of: back) == tensors(of: Self.mlx(name)))
    let (one, other) = (try Adapter(path: Self.mlx(name)), try Adapter(path: back))
    #expect(one.updates.map(\.scaling) == other.updates.map(\.scaling))
    #expect(one.updates.map(\.module) == other.updates.map(\.module))
  }

  @Test(arguments: ["linear-f32", "linear-bf16", "dora-llama-bf16", "rank64-bf16"])
  func fromPEFTToMLXAndBack(name: String) throws {
    let adapter = FixtureCase.adapter(name)
    let mlx = try convert(adapter, to: .mlx, "there")
    let back = try convert(mlx, to: .peft, "back")
    #expect(try tensors(of: back) == tensors(of: adapter))
    #expect(try Adapter(path: back).updates.map(\.scaling) == Adapter(path: adapter).updates.map(\.scaling))
  }

  /// Ranks and alphas of modules stay their own.
  @Test func patternsStay() throws {
    let adapter = FixtureCase.adapter("patterns-f32")
    let again = try convert(adapter, to: .peft)
    #expect(try tensors(of: again) == tensors(of: adapter))
    let (one, other) = (try Adapter(path: adapter), try Adapter(path: again))
    #expect(one.updates.map(\.scaling) == other.updates.map(\.scaling))
    #expect(Set(one.updates.map(\.rank)).count > 1)
    #expect(other.warnings == [])
  }

  /// What decides where the factors go stays.
  @Test func replicatedLayersAndTransposedWeightsStay() throws {
    let replicated = FixtureCase.adapter("replicated-f32")
    let expected = try #require(try Adapter(path: replicated).config.layerReplication)
    #expect(try Adapter(path: convert(replicated, to: .peft, "replicated")).config.layerReplication == expected)
    let transposed = FixtureCase.adapter("gpt2-f32")
    let config = try Adapter(path: transposed).config
    #expect(config.fanInFanOut)
    #expect(try Adapter(path: convert(transposed, to: .peft, "transposed")).config.fanInFanOut)
  }

  @Test func mlxCannotReplicateLayers() throws {
    let error = try refusal(FixtureCase.adapter("replicated-f32"), to: .mlx)
    #expect(error?.errorClass == "not-convertible" && error?.message.contains("layer_replication") == true)
    #expect(error?.path.hasSuffix("adapter_config.json") == true)
  }

  /// The path of a module is also the end of others' paths.
  @Test func modulesWhosePathsEndAlikeKeepTheirAlphas() throws {
    let tensors = ["model.a.proj", "model.b.proj", "proj"].flatMap { module in
      [
        TestTensor("\(module).lora_A.weight", .f32, [4, 8]), TestTensor("\(module).lora_B.weight", .f32, [8, 4]),
      ]
    }
    let source = try Scratch()
    let adapter = try writeAdapter(
      source.file("adapter"), rank: 4, alpha: "4", tensors,
      fields: #""alpha_pattern": {"model.a.proj": 4, "model.b.proj": 4, "proj": 8}, "target_modules": ["proj"]"#)
    let again = try Adapter(path: try convert(adapter, to: .peft))
    #expect(again.updates.map(\.module) == ["model.a.proj", "model.b.proj", "proj"])
    #expect(again.updates.map(\.scaling) == [1, 1, 2])
  }

  /// A scaling of alpha / sqrt(r) becomes an alpha with the same quotient.
  @Test func theScalingOfRankStabilizedLoRAStays() throws {
    let adapter = FixtureCase.adapter("rslora-f32")
    let again = try convert(adapter, to: .peft)
    let (one, other) = (try Adapter(path: adapter), try Adapter(path: again))
    #expect(one.config.lora?.usesRankStabilizedScaling == true)
    #expect(other.config.lora?.usesRankStabilizedScaling == false)
    #expect(one.updates.map { Float($0.scaling ?? 0) } == other.updates.map { Float($0.scaling ?? 0) })
  }

  private func refusal(_ adapter: String, to dialect: AdapterDialect, base: String? = nil) throws -> ConversionError? {
    let error = #expect(throws: ConversionError.self) { try convert(adapter, to: dialect, base: base) }
    #expect(try scratch.entries() == [])
    return error
  }

  @Test(arguments: [
    ("patterns-f32", "rank"), ("modules-to-save-f32", "replaces weights"), ("lm-head-f32", "replaces weights"),
    ("tokens-list-f32", "replaces weights"),
    ("ia3-linear-f32", "it is no LoRA"), ("lora-bias-f32", "bias"), ("gpt2-f32", "list of layers"),
    ("experts-f32", "stacked experts"), ("init-pissa-f32", "it is no LoRA"), ("dora-embedding-f32", "replaces weights"),
  ])
  func mlxCannotHold(name: String, what: String) throws {
    let error = try refusal(FixtureCase.adapter(name), to: .mlx)
    #expect(error?.errorClass == "not-convertible")
    #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    #expect(error?.module != nil)
    // A LoRA of the others would be refused for the same reason.
    #expect(error?.hint?.contains("--to lora") == (what == "it is no LoRA"))
  }

  @Test(arguments: [("tied-dora", "norms of tokens"), ("experts", "stacked experts")])
  func peftCannotHold(name: String, what: String) throws {
    let error = try refusal(Self.mlx(name), to: .peft)
    #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
  }

  @Test func namesOfImageModelsNeedABase() throws {
    let adapter = FixtureCase.adapter("linear-f32")
    #expect(try refusal(adapter, to: .kohya)?.problem == .needsBase(.kohya))
    let base = fixturesPath() + "/bases/llama-f32"
    #expect(try refusal(adapter, to: .diffusers, base: base)?.problem == .notAnImageModel(.diffusers))
  }

  /// Two runs write the same bytes.
  @Test func theResultIsTheSameEveryTime() throws {
    let one = try convert(Self.mlx("dora"), to: .peft, "one")
    let other = try convert(Self.mlx("dora"), to: .peft, "other")
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
      #expect(try contents("\(one)/\(name)") == contents("\(other)/\(name)"))
    }
  }

  @Test func anInputIsNeverReplaced() throws {
    let copy = scratch.file("adapter")
    try FileManager.default.copyItem(atPath: Self.mlx("lora"), toPath: copy)
    #expect(throws: CheckpointError.self) { try convert(copy, to: .peft, "adapter") }
    #expect(try tensors(of: copy) == tensors(of: Self.mlx("lora")))
  }
}
