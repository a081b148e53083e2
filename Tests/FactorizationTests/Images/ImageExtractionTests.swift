import Adapters
import Checkpoints
import Factorization
import LowRank
import Platform
import Safetensors
import TestSupport
import Testing

/// Adapters of image and video models, extracted and merged again.
@Suite struct ImageExtractionTests {
  /// The bases and adapters of the fixtures, with their methods and dialects.
  static let cases = [
    "sd1-full-diff-and-norms", "sd1-locon-tucker", "sd1-peft-rslora-folder", "sd1-set-weight", "flux-kohya-folder",
    "flux-peft-metadata-te", "flux-swapped-bias-folder", "inpainting-kohya-conv-in", "pixart-comfy-folder",
    "qwen-musubi-flat", "sana-peft-file", "sdxl-kohya-text-projection", "sdxl-norms-and-biases-of-fused",
  ]

  @Test(arguments: cases)
  func fullRankMergesToTheTunedModel(name: String) throws {
    let scratch = try Scratch()
    let fixture = try ImageFixture(name)
    let tuned = try fixture.merge(to: scratch.file("tuned"))
    let adapter = try ImagePair.extract(fixture.base, tuned, to: scratch.file("lora.safetensors"))
    let again = try fixture.merge(adapter, to: scratch.file("again"))
    #expect(try ImagePair.distance(again, tuned) <= 1e-6)
    #expect(try ImagePair.distance(again, fixture.base) > 1e-4)
  }

  /// Every parameter of every architecture has a name and a form in which the adapter holds its change.
  @Test(arguments: ImageNames.diffusionModels)
  func everyParameterIsHeld(_ names: ImageNames) throws {
    let pair = try ImagePair(names)
    let (base, tuned) = (pair.path("base", .file), pair.path("tuned", .file))
    let adapter = try ImagePair.extract(base, tuned, to: pair.scratch.file("lora.safetensors"))
    let again = pair.scratch.file("again.safetensors")
    try Pair.merge(base, adapter, to: again)
    #expect(try ImagePair.distance(again, tuned) <= 1e-6)
  }

  /// Rows that one layout has in several tensors become one module of the other's names.
  @Test(arguments: ["sd1", "sdxl", "flux1", "sd3", "wan", "lumina2"])
  func layoutsOfBothModelsMayDiffer(name: String) throws {
    let pair = try ImagePair(ImageNames.named(name))
    #expect(try pair.distance(base: .folder, tuned: .folder) <= 1e-6)
    #expect(try pair.distance(base: .file, tuned: .folder) <= 1e-6)
    #expect(try pair.distance(base: .folder, tuned: .file) <= 1e-6)
  }

  @Test func namesShapesAndAlphasAreComfyUIs() throws {
    let pair = try ImagePair(ImageNames.named("sd1"))
    let adapter = try ImagePair.extract(
      pair.path("base", .folder), pair.path("tuned", .folder), to: pair.scratch.file("lora.safetensors"),
      RankRule(.count(2)))
    let file = try SafetensorsFile(path: adapter)
    let shapes = Dictionary(uniqueKeysWithValues: file.header.tensors.map { ($0.name.string, $0.shape) })
    let native = Dictionary(uniqueKeysWithValues: pair.names.native.map { ($0.name, $0.shape) })
    let convolution = "input_blocks.0.0"
    let shape = try #require(native["\(convolution).weight"])
    #expect(shapes["diffusion_model.\(convolution).lora_down.weight"] == [2, shape[1], shape[2], shape[3]])
    #expect(shapes["diffusion_model.\(convolution).lora_up.weight"] == [shape[0], 2, 1, 1])
    #expect(shapes["diffusion_model.\(convolution).diff_b"] == native["\(convolution).bias"])
    #expect(shapes["diffusion_model.out.0.diff"] == native["out.0.weight"])
    let alpha = TensorName("diffusion_model.\(convolution).alpha")
    #expect(shapes[alpha.string] == [])
    #expect(try file.floats(alpha) == [2])
    let updates = try Adapter(path: adapter).updates.filter { $0.rank != nil }
    #expect(updates.allSatisfy { $0.scaling == 1 && $0.rank == 2 })
  }

  @Test func energyChoosesARankForEachModule() throws {
    let pair = try ImagePair(ImageNames.named("sd1"))
    let (base, tuned) = (pair.path("base", .file), pair.path("tuned", .file))
    let adapter = try ImagePair.extract(base, tuned, to: pair.scratch.file("lora.safetensors"), RankRule(.energy(0.5)))
    let ranks = Set(try Adapter(path: adapter).updates.compactMap(\.rank))
    #expect(ranks.count > 1)
    let again = pair.scratch.file("again.safetensors")
    try Pair.merge(base, adapter, to: again)
    let error = try Pair(scratch: pair.scratch, base: base, tuned: tuned).deltaError(of: again)
    #expect(error * error <= 0.5 && error > 0.1)
  }

  // MARK: - Refusals

  private func message(_ base: String, _ tuned: String, _ scratch: Scratch, leavesOutOthers: Bool = false) -> String? {
    refusal {
      try ImagePair.extract(base, tuned, to: scratch.file("lora.safetensors")) { $0.leavesOutOthers = leavesOutOthers }
    }.map { "\($0.tensor ?? "-"): \($0.message)" }
  }

  @Test func refusesAnotherArchitecture() throws {
    let (one, other) = (try ImagePair(ImageNames.named("sd1")), try ImagePair(ImageNames.named("flux1")))
    #expect(
      message(one.path("base", .file), other.path("tuned", .file), one.scratch)
        == "-: the model is FLUX.1, and the base is SD1; an adapter is of one architecture")
  }

  @Test func refusesAModelThatIsNoneOfImages() throws {
    let pair = try ImagePair(ImageNames.named("sd1"))
    let other = fixturesPath() + "/bases/tiny-llama-f32"
    let text = try #require(message(pair.path("base", .file), other, pair.scratch))
    #expect(text.contains("another kind of model beside an image or video model"))
  }

  /// A tensor that no module has a name for, such as a VAE's, in both models.
  @Test func refusesAChangedVAEUnlessItIsLeftOut() throws {
    let pair = try ImagePair(ImageNames.named("sd1"))
    let name = "first_stage_model.decoder.conv_in.weight"
    let base = try pair.adding(TestTensor(name, [2, 2], numbers: [1, 0, 1, 2]), to: "base", as: "base-vae")
    let same = try pair.adding(TestTensor(name, [2, 2], numbers: [1, 0, 1, 2]), to: "tuned", as: "same-vae")
    try ImagePair.extract(base, same, to: pair.scratch.file("same.safetensors"))
    let tuned = try pair.adding(TestTensor(name, [2, 2], numbers: [2, 0, 1, 2]), to: "tuned", as: "tuned-vae")
    let text = "differs from the base, and an adapter cannot hold the change of a tensor that is in no module of the"
    #expect(message(base, tuned, pair.scratch) == "\(name): \(text) diffusion model or a text encoder")
    #expect(message(base, tuned, pair.scratch, leavesOutOthers: true) == nil)
  }

  @Test func selectsModulesByName() throws {
    let pair = try ImagePair(ImageNames.named("sd1"))
    let adapter = try ImagePair.extract(
      pair.path("base", .file), pair.path("tuned", .file), to: pair.scratch.file("lora.safetensors")
    ) { $0.selects = { $0.hasSuffix("attn1.to_q") } }
    let updates = try Adapter(path: adapter).updates
    #expect(!updates.isEmpty && updates.allSatisfy { $0.module.hasSuffix("attn1.to_q") })
  }

  @Test func refusesEqualModels() throws {
    let pair = try ImagePair(ImageNames.named("sd1"))
    let base = pair.path("base", .file)
    try write(contents(base), to: pair.scratch.file("same.safetensors"))
    #expect(
      message(base, pair.scratch.file("same.safetensors"), pair.scratch)
        == "-: no tensor differs from the base's, so that there is nothing to extract")
  }
}
