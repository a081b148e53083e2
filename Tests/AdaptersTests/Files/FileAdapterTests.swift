import Safetensors
import TestSupport
import Testing

@testable import Adapters

@Suite struct FileAdapterTests {
  @Test func alphaDividedByTheRankIsTheScaling() throws {
    let found = try fileAdapter(kohyaPair("lora_unet_a") + [number("lora_unet_a.alpha", 1)] + kohyaPair("lora_unet_b"))
    #expect(found.updates.map(\.module) == ["lora_unet_a", "lora_unet_b"])
    #expect(found.updates.map(\.scaling) == [0.5, 1] && found.updates.map(\.alpha) == [1, nil])
    #expect(found.updates.map(\.rank) == [2, 2] && found.updates.allSatisfy { $0.layout == .flattened })
    #expect(found.isFile && found.config.methodName == "LoRA" && found.config.peftType == nil)
    #expect(found.file?.dialect == "kohya" && found.file?.methods == [.init(name: "LoRA", count: 2)])
  }

  @Test func everyTensorIsUsedOnce() throws {
    let tensors =
      kohyaPair("a") + [number("a.alpha", 1), zeros("a.diff_b", [6]), zeros("a.dora_scale", [1, 4])]
      + [
        zeros("n.w_norm", [3]), zeros("n.b_norm", [3]), zeros("head.diff_m", [1, 2, 3]), zeros("s.set_weight", [2, 2]),
      ]
      + [zeros("bundle_emb.x.string_to_param.*", [2, 2]), zeros("_aux.x", [1])]
    let found = try fileAdapter(tensors)
    #expect(found.updates.flatMap(\.tensorIndices).count == 8 && found.ignoredTensors.count == 2)
    #expect(found.replacements.map(\.target) == ["s.weight"])
    #expect(found.updates.first { $0.module == "head" }?.target == .parameter("modulation"))
    #expect(found.updates.first { $0.module == "n" }?.layout == .vector)
  }

  @Test func aFileOfSeveralMethodsNamesThem() throws {
    let loha = ["1", "2"].flatMap { [zeros("b.hada_w\($0)_a", [6, 2]), zeros("b.hada_w\($0)_b", [2, 4])] }
    let lokr = [zeros("c.lokr_w1", [2, 2]), zeros("c.lokr_w2", [3, 2]), number("c.alpha", 0)]
    let found = try fileAdapter(kohyaPair("a") + kohyaPair("d") + loha + lokr)
    #expect(found.config.methodName == "LoRA, LoHa and LoKr")
    // Of two whole matrices alpha says nothing.
    #expect(found.updates.first { $0.module == "c" }?.scaling == 1)
  }

  @Test func normsRunAlongTheDimensionThatTheShapeSays() throws {
    func axis(_ shape: [Int], _ role: String = "dora_scale", down: [Int] = [2, 4], up: [Int] = [6, 2]) throws -> [Int] {
      let tensors = [zeros("a.lora_down.weight", down), zeros("a.lora_up.weight", up), zeros("a.\(role)", shape)]
      guard case .rescale(let step)? = try fileAdapter(tensors).updates[0].steps.first else { return [] }
      return [step.axis == .rows ? 0 : 1, step.magnitudes.columns, step.columnsPerNorm]
    }
    #expect(try axis([6, 1]) == [0, 6, 1])
    #expect(try axis([1, 4]) == [1, 4, 1])
    #expect(try axis([6]) == [0, 6, 1])
    #expect(try axis([6], "lora_magnitude_vector") == [0, 6, 1])
    #expect(try axis([1, 4], up: [4, 2]) == [1, 4, 1])
    #expect(try axis([4, 1], up: [4, 2]) == [0, 4, 1])
    let (down, up) = ([2, 4, 3, 3], [6, 2, 1, 1])
    #expect(try axis([1, 4, 1, 1], down: down, up: up) == [1, 4, 9])
    #expect(try axis([6, 1, 1, 1], down: down, up: up) == [0, 6, 1])
    #expect(try axis([1, 6, 1, 1], "lora_magnitude_vector", down: down, up: up) == [0, 6, 1])
  }

  @Test(arguments: [
    ("lora_unet__blocks_0", "VideoX-Fun"), ("lora_transformer_x", "OneTrainer"), ("lycoris_x", "LyCORIS"),
    ("diffusion_model.x", "ComfyUI native"), ("transformer.x", "diffusers"), ("base_model.model.x", "PEFT raw"),
    ("text_encoder_2.x", "diffusers"), ("blocks.0.x", "bare names"), ("lora_te1_x", "kohya"),
  ])
  func theDialectHasAName(_ module: String, _ name: String) throws {
    #expect(try fileAdapter(kohyaPair(module)).file?.dialect == name)
  }

  @Test func specialDialectsHaveNamesOfTheirOwn() throws {
    func pair(_ stem: String) -> [TestTensor] {
      [zeros(stem + ".down.weight", [2, 4]), zeros(stem + ".up.weight", [6, 2])]
    }
    #expect(try fileAdapter(pair("double_blocks.0.processor.qkv_lora1")).file?.dialect == "XLabs")
    #expect(
      try fileAdapter(pair("unet.a.processor.to_q_lora")).file?.dialect == "diffusers attention processors")
    let control = try fileAdapter([
      zeros("img_in.lora_A.weight", [2, 128]), zeros("img_in.lora_B.weight", [8, 2]), zeros("img_in.lora_B.bias", [8]),
      zeros("single_blocks.0.norm.key_norm.scale", [4]),
    ])
    #expect(control.file?.dialect == "BFL control" && control.updates[0].bias?.isScaled == false)
    #expect(control.replacements.map(\.target) == ["single_blocks.0.norm.key_norm.scale"])
  }

  @Test func metadataOfTheTrainingIsNoted() throws {
    let long = String(repeating: "x", count: 1000)
    let tags = (0..<20).map { "\"tag\($0)\": \($0)" }.joined(separator: ", ")
    let found = try fileAdapter(
      kohyaPair("a"),
      metadata: [
        "ss_base_model_version": "sdxl_base_v1-0", "ss_network_module": "lycoris.kohya",
        "ss_network_args": #"{"algo": "loha"}"#, "ss_network_dim": "16", "ss_network_alpha": "None",
        "modelspec.title": long, "modelspec.trigger_phrase": "ohwx",
        "ss_tag_frequency": #"{"10_x": {\#(tags)}, "y": {"tag3": 40}}"#,
      ])
    let facts = try #require(found.file?.training)
    #expect(facts.baseModelVersion == "sdxl_base_v1-0" && facts.algorithm == "loha" && facts.triggerPhrase == "ohwx")
    #expect(facts.rank == "16" && facts.alpha == nil && facts.title?.count == 203)
    #expect(facts.tags.count == 10 && facts.tags[0] == .init(name: "tag3", count: 43))
    #expect(found.updates[0].scaling == 1)
  }
}
