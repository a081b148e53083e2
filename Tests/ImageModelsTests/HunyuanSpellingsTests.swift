import ModelNames
import Safetensors
import TestSupport
import Testing

@testable import ImageModels

/// HunyuanVideo has three spellings. ComfyUI's follows from the published one by replacements in this order, which ComfyUI does when it
/// loads the file.
@Suite struct HunyuanSpellingsTests {
  private static let replacements = [
    ("txt_in.t_embedder.mlp.0.", "txt_in.t_embedder.in_layer."),
    ("txt_in.t_embedder.mlp.2.", "txt_in.t_embedder.out_layer."),
    ("txt_in.c_embedder.linear_1.", "txt_in.c_embedder.in_layer."),
    ("txt_in.c_embedder.linear_2.", "txt_in.c_embedder.out_layer."), ("_mod.linear.", "_mod.lin."),
    ("_attn_qkv.", "_attn.qkv."), ("mlp.fc1.", "mlp.0."), ("mlp.fc2.", "mlp.2."),
    ("_attn_q_norm.weight", "_attn.norm.query_norm.scale"), ("_attn_k_norm.weight", "_attn.norm.key_norm.scale"),
    (".q_norm.weight", ".norm.query_norm.scale"), (".k_norm.weight", ".norm.key_norm.scale"),
    ("_attn_proj.", "_attn.proj."), (".modulation.linear.", ".modulation.lin."),
    ("time_in.mlp.0.", "time_in.in_layer."),
    ("time_in.mlp.2.", "time_in.out_layer."), ("guidance_in.mlp.0.", "guidance_in.in_layer."),
    ("guidance_in.mlp.2.", "guidance_in.out_layer."),
  ]

  private func respelled(_ name: String) -> String {
    Self.replacements.reduce(name) { $0.replacing($1.0, with: $1.1) }
  }

  private func module(_ name: String) -> (String, ModuleParameter) {
    if name.hasSuffix(".bias") { return (String(name.dropLast(".bias".count)), .bias) }
    return (name.hasSuffix(".weight") ? String(name.dropLast(".weight".count)) : name, .weight)
  }

  @Test func publishedAndComfyUINamesAreEachOther() throws {
    let published = try ImageNames.named("hunyuan-video").native
    let comfyUI = published.map { (name: respelled($0.name), shape: $0.shape) }
    for (base, scheme, others) in [
      (published, Component.Scheme.native, comfyUI), (comfyUI, Component.Scheme.comfyUI, published),
    ] {
      let shapes = NamedShapes(base)
      let model = try #require(ImageModel(names: shapes.shapes.keys.sorted(), in: shapes))
      #expect(model.architecture == "HunyuanVideo")
      #expect(model.components.map(\.scheme) == [scheme])
      for (own, other) in zip(base, others) {
        let (name, parameter) = module(other.name)
        for text in ["diffusion_model." + name, "lora_unet_" + String(name.map { $0 == "." ? "_" : $0 })] {
          let found = try #require(model.place(text, parameter), "\(text)").get().placement
          #expect(found.whole?.string == own.name, "\(text)")
        }
      }
    }
  }
}
