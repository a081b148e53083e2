import TestSupport
import Testing

@testable import Adapters

@Suite struct FileKeyTests {
  /// A key, the module that it names, and what the tensor is to it.
  @Test(arguments: [
    ("lora_unet_down_blocks_0.lora_down.weight", "lora_unet_down_blocks_0", "lora_A.weight"),
    ("transformer.x.attn.to_q.lora_B.weight", "transformer.x.attn.to_q", "lora_B.weight"),
    ("blocks.0.attn.lora_A.default.weight", "blocks.0.attn", "lora_A.weight"),
    ("blocks.0.attn.qkv_x.lora_B", "blocks.0.attn.qkv_x", "lora_B.weight"),
    ("unet.a.to_q.lora.up.weight", "unet.a.to_q", "lora_B.weight"),
    ("text_encoder.a.q_proj.lora_linear_layer.down.weight", "text_encoder.a.q_proj", "lora_A.weight"),
    ("unet.a.attn1.processor.to_q_lora.down.weight", "unet.a.attn1.to_q", "lora_A.weight"),
    ("a.attn1.processor.to_out_lora.up.weight", "a.attn1.to_out.0", "lora_B.weight"),
    ("text_encoder.l.self_attn.to_out_lora.up.weight", "text_encoder.l.self_attn.out_proj", "lora_B.weight"),
    ("double_blocks.3.processor.qkv_lora2.up.weight", "double_blocks.3.txt_attn.qkv", "lora_B.weight"),
    (
      "diffusion_model.double_blocks.3.processor.proj_lora1.down.weight",
      "diffusion_model.double_blocks.3.img_attn.proj", "lora_A.weight"
    ),
    ("single_blocks.7.processor.qkv_lora.up.weight", "single_blocks.7.linear1_qkv", "lora_B.weight"),
    ("single_blocks.7.processor.proj_lora.up.weight", "single_blocks.7.linear2", "lora_B.weight"),
    ("lora_unet_proj_out_.lora_up.weight", "lora_unet_proj_out", "lora_B.weight"),
    ("module._orig_mod.a.b.lora_A.weight", "a.b", "lora_A.weight"),
    ("a.b.alpha", "a.b", "alpha"), ("a.lora_magnitude_vector.weight", "a", "lora_magnitude_vector"),
    ("a.magnitude", "a", "lora_magnitude_vector"), ("a.lora_B.bias", "a", "lora_B.bias"),
    ("head.diff_m", "head", "diff_m"), ("a.lokr_w2_b", "a", "lokr_w2_b"), ("a.a1.weight", "a", "a1.weight"),
  ])
  func aKeyIsAModuleAndARole(_ key: String, _ module: String, _ role: String) throws {
    let found = try #require(FileKey(key))
    guard case .role(let own) = found.kind else {
      Issue.record("\(found.kind)")
      return
    }
    #expect(found.module == module && own.ending == role)
  }

  @Test(arguments: [
    ("lllite_unet_x.down.0.weight", ForeignKind.lllite), ("lora_controlnet", .controlLoRA),
    ("input_hint_block.0.weight", .controlLoRA), ("ip_adapter.1.to_k_ip.weight", .ipAdapter),
    ("image_proj.proj.weight", .ipAdapter), ("768.0.linear.0.weight", .hypernetwork), ("emb_params", .embedding),
    ("string_to_param.*", .embedding), ("clip_g", .embedding), ("a.oft_blocks.1", .partedOFT),
    ("a.oft_R.weight", .oneTrainerOFT), ("a.q_layer.weight", .tLoRA), ("a.bias_values", .sparseBias),
    ("transformer_blocks.0.qkv_proj.lora_down", .nunchaku),
  ])
  func whatIsNotMergedHasAName(_ key: String, _ kind: ForeignKind) throws {
    guard case .foreign(let found)? = FileKey(key)?.kind else {
      Issue.record("\(key)")
      return
    }
    #expect(found == kind && !kind.title.isEmpty && !kind.reason.isEmpty && !kind.hint.isEmpty)
  }

  @Test(arguments: ["a.lora_sidechain.weight.x", "a.bias", "positional_embedding", "alpha"])
  func whatTheTableLacksIsUnknown(_ key: String) { #expect(FileKey(key) == nil) }
}
