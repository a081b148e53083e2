import Safetensors
import TestSupport
import Testing

@testable import ImageModels

/// The architecture of an adapter by the names of its modules, without a base.
@Suite struct RecognitionTests {
  private static let architectures = [
    "aura-flow": "AuraFlow", "cascade": "Stable Cascade", "chroma": "Chroma", "cosmos2": "Cosmos-Predict2",
    "flux1": "FLUX.1", "flux2": "FLUX.2", "flux3": "FLUX.3", "hidream": "HiDream", "hunyuan-video": "HunyuanVideo",
    "krea2": "Krea 2", "ltx-video": "LTX-Video", "ltx2": "LTX-2", "lumina2": "Lumina 2", "mochi": "Mochi",
    "pixart": "PixArt", "qwen-image": "Qwen-Image", "qwen-image21": "Qwen-Image 2.1", "sana": "Sana", "sd1": "SD1",
    "sd3": "SD3", "sdxl": "SDXL", "sdxl-refiner": "SDXL refiner", "wan": "Wan", "wan-vace": "Wan", "z-image": "Z-Image",
  ]

  private func modules(_ tensors: [(name: String, shape: [Int])]) -> [String] {
    var found: [String] = []
    for name in tensors.map(\.name) {
      let ending = [".weight", ".bias", ".scale"].first(where: name.hasSuffix)
      let module = ending.map { String(name.dropLast($0.count)) } ?? name
      if found.last != module { found.append(module) }
    }
    return found
  }

  private func model(_ names: [String], columns: Int? = nil) -> AdapterModel {
    AdapterModel(names.map { AdapterModel.Module(name: $0, columns: columns) })
  }

  /// Every name that diffusers' converters know is one of the architecture, with dots and with underscores.
  @Test(arguments: ImageNames.diffusionModels) func everyNameIsKnown(_ names: ImageNames) throws {
    let expected = try #require(Self.architectures[names.name])
    for (tensors, prefixes) in [
      (names.native, ["diffusion_model.", "model.diffusion_model.", "", "lora_unet_", "lycoris_", "lora_unet__"]),
      (names.diffusers, ["transformer.", "unet.", "base_model.model.", "lora_transformer_", "lora_unet_"]),
    ] {
      let own = modules(tensors)
      for prefix in prefixes {
        let isFlat = prefix.hasSuffix("_")
        let found = model(own.map { prefix + (isFlat ? FlatName.exact($0) : $0) })
        let known = KnownNames.all.first { $0.architecture == expected }
        let missing = own.filter { known?.contains(FlatName($0)) == false }
        #expect(missing.isEmpty, "\(names.name): \(missing.prefix(5))")
        #expect(found.architectures.contains(expected), "\(names.name) \(prefix): \(found.architectures)")
        #expect(found.namedCount == own.count && found.diffusionCount == own.count)
        #expect(found.parts.count == 1)
      }
    }
  }

  /// All names of a model are those of no other, but for models of the same names.
  @Test(arguments: ImageNames.diffusionModels) func allNamesTogetherMeanOneArchitecture(_ names: ImageNames) throws {
    let expected = try #require(Self.architectures[names.name])
    for tensors in [names.native, names.diffusers] {
      let found = model(modules(tensors)).architectures
      let twins = [
        "SD1": ["SD1", "SD2"], "Stable Cascade": ["Stable Cascade", "Stable Cascade decoder"],
        "LTX-Video": ["LTX-Video", "LTX-2"], "Lumina 2": ["Z-Image", "Lumina 2"],
      ]
      #expect(found == [expected] || found == twins[expected], "\(names.name): \(found)")
    }
  }

  @Test func widthsTellUNetsApart() {
    let name = "lora_unet_down_blocks_1_attentions_1_transformer_blocks_0_attn2_to_k"
    #expect(model([name]).architectures == ["SD1", "SD2", "SDXL", "SDXL refiner"])
    for (width, expected) in [(768, "SD1"), (1024, "SD2"), (2048, "SDXL"), (1280, "SDXL refiner")] {
      #expect(model([name], columns: width).architectures == [expected])
    }
    // A width that no published model has tells nothing.
    #expect(model([name], columns: 8).architectures.count == 4)
    #expect(model(["lora_unet_input_blocks_7_1_transformer_blocks_9_attn1_to_q"]).architectures == ["SDXL"])
    #expect(model(["lora_unet_output_blocks_9_1_proj_in"]).architectures == ["SD1", "SD2"])
  }

  @Test func partsAreThoseOfTheBeginnings() {
    let found = model([
      "lora_unet_input_blocks_4_1_proj_in", "lora_te1_text_model_encoder_layers_0_mlp_fc1",
      "lora_te2_text_model_encoder_layers_0_mlp_fc1", "lora_te2_text_model_encoder_layers_0_mlp_fc2",
    ])
    #expect(found.parts.map(\.part.name) == ["unet", "te1", "te2"])
    #expect(found.parts.map(\.moduleCount) == [1, 1, 2])
    #expect(found.parts.map(\.part.isTextEncoder) == [false, true, true])
    #expect(found.diffusionCount == 1)
    for (name, part) in [
      ("text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1", "clip_l"),
      ("text_encoder_2.encoder.block.0.layer.0.SelfAttention.q", "text_encoder_2"),
      ("text_model.encoder.layers.0.mlp.fc1", "te1"), ("lycoris_text_model_encoder_layers_0_mlp_fc1", "te1"),
      ("transformer_2.blocks.0.attn1.to_q", "transformer_2"), ("blocks.0.self_attn.q", "model"),
    ] { #expect(model([name]).parts.first?.part.name == part, "\(name)") }
  }

  @Test func namesOfNoModelAreOfNone() {
    let found = model([
      "base_model.model.model.layers.0.self_attn.q_proj", "x", "", "lora_unet_", "text_encoders.", "é.1",
    ])
    #expect(found.architectures.isEmpty && found.namedCount == 0)
    #expect(found.diffusionCount == 6)
    #expect(model([]).architectures.isEmpty)
    // Of modules that only some fit, those count that the most do.
    let some = model(["double_blocks.0.img_mod.lin", "single_blocks.0.modulation.lin", "nothing"])
    #expect(some.namedCount == 2 && some.architectures.contains("FLUX.1"))
  }

  @Test func flatNamesHaveNoNumbers() {
    #expect(FlatName("a.10.b_2.c").exact == "a_10_b_2_c")
    #expect(FlatName("a.10.b_2.c").numberless == "a_#_b_#_c")
    #expect(FlatName("1").numberless == "#" && FlatName("").numberless.isEmpty && FlatName("..").numberless == "__")
    #expect(FlatName("x1.1x").numberless == "x1_1x")
  }
}
