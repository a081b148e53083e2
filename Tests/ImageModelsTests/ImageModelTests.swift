import ModelNames
import Safetensors
import TestSupport
import Testing

@testable import ImageModels

/// What a base consists of, and how adapters name its components.
@Suite struct ImageModelTests {
  private typealias Tensors = [(name: String, shape: [Int])]

  private func base(_ tensors: Tensors) -> ImageModel? {
    let base = NamedShapes(tensors)
    return ImageModel(names: tensors.map { TensorName($0.name) }, in: base)
  }

  private func prefixed(_ prefix: String, _ tensors: Tensors) -> Tensors {
    tensors.map { (prefix + $0.name, $0.shape) }
  }

  private func clip() throws -> Tensors { try ImageNames.named("open-clip").diffusers }

  private let t5: Tensors = [
    ("shared.weight", [16, 12]), ("encoder.block.0.layer.0.SelfAttention.q.weight", [12, 12]),
    ("encoder.block.0.layer.1.DenseReluDense.wi_0.weight", [24, 12]),
  ]
  private let vae: Tensors = [("decoder.conv_in.weight", [4, 4, 3, 3]), ("encoder.conv_in.weight", [4, 3, 3, 3])]

  private func sdxl() throws -> ImageModel {
    var tensors = prefixed("model.diffusion_model.", try ImageNames.named("sdxl").native)
    tensors += prefixed(
      "conditioner.embedders.0.transformer.", try clip().filter { !$0.name.hasPrefix("text_projection") })
    tensors += prefixed("conditioner.embedders.1.model.", try ImageNames.named("open-clip").native)
    tensors += prefixed("first_stage_model.", vae) + [("v_pred", [0]), ("model_ema.decay", [])]
    return try #require(base(tensors))
  }

  private func whole(_ model: ImageModel, _ module: String, _ parameter: ModuleParameter = .weight) throws -> String? {
    try #require(model.place(module, parameter), "\(module)").get().placement.whole?.string
  }

  @Test func sdxlHasThreeComponents() throws {
    let model = try sdxl()
    #expect(model.architecture == "SDXL")
    #expect(model.components.map(\.kind) == [.diffusionModel, .clipL, .clipG])
    #expect(model.components.map(\.scheme) == [.native, .diffusers, .native])
    #expect(
      model.components.map(\.prefix) == [
        "model.diffusion_model.", "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.",
      ])
  }

  @Test(arguments: [
    "lora_te1_text_model_encoder_layers_1_mlp_fc1", "lora_te_text_model_encoder_layers_1_mlp_fc1",
    "text_encoder.text_model.encoder.layers.1.mlp.fc1", "text_encoder.encoder.layers.1.mlp.fc1",
    "text_encoders.clip_l.transformer.text_model.encoder.layers.1.mlp.fc1",
    "lycoris_text_model_encoder_layers_1_mlp_fc1",
  ]) func firstTextEncoderIsFound(_ name: String) throws {
    #expect(
      try whole(sdxl(), name)
        == "conditioner.embedders.0.transformer.text_model.encoder.layers.1.mlp.fc1.weight")
  }

  @Test(arguments: [
    "lora_te2_text_model_encoder_layers_1_mlp_fc1", "text_encoder_2.text_model.encoder.layers.1.mlp.fc1",
    "text_encoder_2.encoder.layers.1.mlp.fc1", "text_encoders.clip_g.transformer.text_model.encoder.layers.1.mlp.fc1",
  ]) func secondTextEncoderIsFound(_ name: String) throws {
    #expect(try whole(sdxl(), name) == "conditioner.embedders.1.model.transformer.resblocks.1.mlp.c_fc.weight")
  }

  @Test(arguments: [
    "module.diffusion_model.input_blocks.4.1.proj_in", "_orig_mod.input_blocks.4.1.proj_in",
    "lora_unet_input_blocks_4_1_proj_in_", "unet.down_blocks.1.attentions.0.proj_in.weight",
    "lora_unet_down_blocks_1_attentions_0_proj_in", "base_model.model.input_blocks.4.1.proj_in",
    "unet.base_model.model.down_blocks.1.attentions.0.proj_in", "lycoris_down_blocks_1_attentions_0_proj_in",
  ]) func trainersWrappersAreLeftOut(_ name: String) throws {
    #expect(try whole(sdxl(), name) == "model.diffusion_model.input_blocks.4.1.proj_in.weight")
  }

  @Test(arguments: [
    "lora_unet_input_blocks_99_1_proj_in", "lora_te3_encoder_block_0_layer_0_SelfAttention_q", "decoder.conv_in",
    "first_stage_model.decoder.conv_in", "vae.decoder.conv_in", "lora_te1_text_projection", "",
    "unet.down_blocks.1.attentions.0", "input_blocks_4_1_proj_in",
  ]) func otherNamesAreNone(_ name: String) throws {
    #expect(try sdxl().place(name, .weight) == nil || sdxl().place(name, .weight)?.problem != nil)
  }

  @Test func shortOutputsAreFoundWhereAsked() throws {
    let name = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_out"
    let model = try sdxl()
    #expect(model.place(name, .weight) == nil)
    let found = try #require(model.place(name, .weight, shortensOutput: true)).get().placement
    #expect(found.whole == "model.diffusion_model.middle_block.1.transformer_blocks.0.attn1.to_out.0.weight")
  }

  @Test func absentParametersAreSaid() throws {
    let module = "lora_unet_middle_block_1_transformer_blocks_0_attn1_to_q"
    let problem = try sdxl().place(module, .bias)?.problem
    #expect(
      problem
        == .noParameter(
          target: module, parameter: "bias", module: "middle_block.1.transformer_blocks.0.attn1.to_q"))
  }

  @Test func nearNamesAreGiven() throws {
    #expect(try sdxl().nearestNames(to: "lora_unet_middle_block_1_proj_inn").contains("middle_block.1.proj_in"))
    #expect(
      try sdxl().nearestNames(to: "unet.mid_block.attentions.0.proj_inn").contains("mid_block.attentions.0.proj_in"))
  }

  private func fluxFolder() throws -> ImageModel {
    let clip = try clip().filter { !$0.name.hasPrefix("text_projection") }
      .map { (name: String($0.name.dropFirst("text_model.".count)), shape: $0.shape) }
    return try #require(
      base(
        prefixed("transformer/", try ImageNames.named("flux1").diffusers) + prefixed("text_encoder/", clip)
          + prefixed("text_encoder_2/", t5) + prefixed("vae/", vae)))
  }

  @Test func foldersHaveTheirParts() throws {
    let model = try fluxFolder()
    #expect(model.architecture == "FLUX.1")
    #expect(model.components.map(\.kind) == [.diffusionModel, .clipL, .t5])
    #expect(model.components.map(\.folder) == ["transformer", "text_encoder", "text_encoder_2"])
    // CLIP as transformers 5.6 saves it has no text_model.
    #expect(
      try whole(model, "lora_te1_text_model_encoder_layers_0_mlp_fc1") == "text_encoder/encoder.layers.0.mlp.fc1.weight"
    )
    for prefix in ["lora_te3_", "lora_te2_"] {
      #expect(
        try whole(model, prefix + "encoder_block_0_layer_0_SelfAttention_q")
          == "text_encoder_2/encoder.block.0.layer.0.SelfAttention.q.weight")
    }
  }

  /// ComfyUI's files hold text encoders by name, with numbers beside the models.
  @Test func bundledEncodersAreFoundByName() throws {
    var tensors = prefixed("model.diffusion_model.", try ImageNames.named("sd3").native)
    tensors += prefixed("text_encoders.clip_l.transformer.", try clip()) + [("text_encoders.clip_l.logit_scale", [])]
    tensors += prefixed("text_encoders.clip_g.transformer.", try clip())
    tensors += prefixed("text_encoders.t5xxl.transformer.", t5)
    let model = try #require(base(tensors))
    #expect(model.components.map(\.kind) == [.diffusionModel, .clipG, .clipL, .t5])
    let names = [
      "lora_te1_text_model_encoder_layers_0_mlp_fc1": "clip_l.transformer.text_model.encoder.layers.0.mlp.fc1",
      "lora_te2_text_model_encoder_layers_0_mlp_fc1": "clip_g.transformer.text_model.encoder.layers.0.mlp.fc1",
      "lora_te2_text_projection": "clip_g.transformer.text_projection",
      "lora_te3_encoder_block_0_layer_0_SelfAttention_q": "t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q",
      "text_encoder_3.encoder.block.0.layer.0.SelfAttention.q":
        "t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.q",
    ]
    for (name, expected) in names {
      #expect(try whole(model, name) == "text_encoders.\(expected).weight")
    }
    #expect(model.place("lora_te2_encoder_block_0_layer_0_SelfAttention_q", .weight) == nil)
  }

  @Test func languageModelsAsEncodersAreFound() throws {
    let qwen: Tensors = [("model.layers.0.mlp.up_proj.weight", [8, 4]), ("model.norm.weight", [4])]
    let names = try ImageNames.named("qwen-image").native
    let file = try #require(
      base(
        prefixed("model.diffusion_model.", names) + prefixed("text_encoders.qwen25_7b.transformer.", qwen)))
    #expect(file.components.map(\.kind) == [.diffusionModel, .other("qwen25_7b")])
    let folder = try #require(base(prefixed("transformer/", names) + prefixed("text_encoder/", qwen)))
    #expect(folder.components.map(\.kind) == [.diffusionModel, .other("text_encoder")])
    let place = "model.layers.0.mlp.up_proj.weight"
    for name in ["lora_te_layers_0_mlp_up_proj", "text_encoder.model.layers.0.mlp.up_proj"] {
      #expect(try whole(file, name) == "text_encoders.qwen25_7b.transformer." + place)
      #expect(try whole(folder, name) == "text_encoder/" + place)
    }
  }

  @Test func fusedModulesAreFoundInFolders() throws {
    let found = try #require(fluxFolder().place("lora_unet_single_blocks_0_linear1", .weight)).get().placement
    let stem = "transformer/single_transformer_blocks.0."
    #expect(
      found.parts == [
        TensorPlacement.Part(TensorName(stem + "attn.to_q.weight"), runtimeRows: 0..<16, row: 0),
        TensorPlacement.Part(TensorName(stem + "attn.to_k.weight"), runtimeRows: 16..<32, row: 0),
        TensorPlacement.Part(TensorName(stem + "attn.to_v.weight"), runtimeRows: 32..<48, row: 0),
        TensorPlacement.Part(TensorName(stem + "proj_mlp.weight"), runtimeRows: 48..<112, row: 0),
      ])
    #expect(found.shape == [112, 16])
    let qkv = try #require(fluxFolder().place("single_blocks.0.linear1_qkv", .weight)).get().placement
    #expect(qkv.parts == Array(found.parts.prefix(3)))
    let swapped = try #require(fluxFolder().place("final_layer.adaLN_modulation.1", .bias)).get().placement
    #expect(swapped.parts.map(\.row) == [16, 0])
  }

  @Test func missingPartsAreSaid() throws {
    let tensors = try ImageNames.named("flux1").diffusers.filter {
      $0.name != "single_transformer_blocks.0.attn.to_k.weight"
    }
    let model = try #require(base(prefixed("transformer/", tensors)))
    let problem = model.place("single_blocks.0.linear1", .weight)?.problem
    guard case .missingPart("single_blocks.0.linear1.weight", nil, _)? = problem else {
      Issue.record("\(String(describing: problem))")
      return
    }
  }

  @Test func scalesAndBareParametersAreFound() throws {
    let flux = try #require(base(try ImageNames.named("flux1").native))
    #expect(flux.components.map(\.prefix) == [""])
    for name in ["single_blocks.0.norm.key_norm", "single_blocks.0.norm.key_norm.scale"] {
      #expect(try whole(flux, name) == "single_blocks.0.norm.key_norm.scale")
    }
    let wan = try #require(base(try ImageNames.named("wan").native))
    #expect(try whole(wan, "diffusion_model.blocks.1", .leaf("modulation")) == "blocks.1.modulation")
    #expect(try whole(wan, "diffusion_model.head", .leaf("modulation")) == "head.modulation")
    #expect(try whole(wan, "diffusion_model.blocks.1.modulation") == "blocks.1.modulation")
    #expect(try whole(wan, "lora_unet__blocks_1_ffn_0") == "blocks.1.ffn.0.weight")
  }

  @Test func twoTransformersAreAmbiguous() throws {
    let wan = try ImageNames.named("wan").diffusers
    let both = try #require(base(prefixed("transformer/", wan) + prefixed("transformer_2/", wan)))
    let name = "diffusion_model.blocks.0.self_attn.q"
    let places = ["transformer/blocks.0.self_attn.q.weight", "transformer_2/blocks.0.self_attn.q.weight"]
    #expect(both.place(name, .weight)?.problem == .ambiguousName(target: name, candidates: places))
    #expect(try whole(both, "transformer_2.blocks.0.attn1.to_q") == "transformer_2/blocks.0.attn1.to_q.weight")
    let low = both.limited { $0.folder == "transformer_2" }
    #expect(try whole(low, name) == "transformer_2/blocks.0.attn1.to_q.weight")
  }

  /// Versions of the UNet differ in a few shapes and names.
  @Test func versionsOfTheUNetAreDistinguished() throws {
    let first = try ImageNames.named("sd1")
    for tensors in [first.native, first.diffusers] {
      #expect(base(tensors)?.architecture == "SD1")
      let linear = tensors.map { ($0.name, $0.name.contains("proj_in") ? Array($0.shape.prefix(2)) : $0.shape) }
      #expect(base(linear)?.architecture == "SD2")
    }
    for (name, architecture) in [("sdxl", "SDXL"), ("sdxl-refiner", "SDXL refiner")] {
      let names = try ImageNames.named(name)
      #expect(base(names.native)?.architecture == architecture)
      #expect(base(names.diffusers)?.architecture == architecture)
    }
  }

  @Test func unknownModelsHaveTheirOwnNames() throws {
    let tensors: Tensors = [("diffusion_model.layer.3.some_part.weight", [4, 4]), ("vae.conv.weight", [4, 4])]
    let model = try #require(base(tensors))
    #expect(model.architecture == "unknown")
    #expect(!model.isRecognized)
    #expect(try whole(model, "lora_unet_layer_3_some_part") == "diffusion_model.layer.3.some_part.weight")
    #expect(model.place("conv", .weight) == nil)
  }

  @Test func flatNamesOfTwoModulesAreAmbiguous() throws {
    let tensors: Tensors = [("diffusion_model.a.b_c.weight", [4, 4]), ("diffusion_model.a_b.c.weight", [4, 4])]
    let model = try #require(base(tensors))
    #expect(
      model.place("lora_unet_a_b_c", .weight)?.problem
        == .ambiguousName(
          target: "lora_unet_a_b_c", candidates: tensors.map(\.name)))
    #expect(try whole(model, "a.b_c") == "diffusion_model.a.b_c.weight")
  }

  @Test(arguments: [
    ["model.layers.0.self_attn.q_proj.weight", "lm_head.weight"],
    ["model.model.layers.0.mlp.up_proj.weight"], ["transformer.h.0.attn.c_attn.weight"],
    ["encoder.block.0.layer.0.SelfAttention.q.weight", "decoder.block.0.layer.0.SelfAttention.q.weight"],
    ["text_model.encoder.layers.0.self_attn.q_proj.weight", "vision_model.encoder.layers.0.mlp.fc1.weight"],
    ["down_blocks.0.resnets.0.conv1.weight", "conv_in.weight"], [],
  ]) func otherModelsAreNone(_ names: [String]) {
    #expect(base(names.map { ($0, [4, 4]) }) == nil)
  }

  @Test func textEncodersAloneAreModels() throws {
    let model = try #require(base(t5))
    #expect(model.components.map(\.kind) == [.t5])
    #expect(
      try whole(model, "lora_te3_encoder_block_0_layer_0_SelfAttention_q")
        == "encoder.block.0.layer.0.SelfAttention.q.weight")
  }
}

extension Result where Failure == NameProblem {
  /// Why there is no place.
  fileprivate var problem: NameProblem? {
    if case .failure(let problem) = self { problem } else { nil }
  }
}
