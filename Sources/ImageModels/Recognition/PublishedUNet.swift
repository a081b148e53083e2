/// A UNet as it was published: its blocks and where it attends, from which the names of its modules follow.
///
/// Source: diffusers 0.42.1 `UNet2DConditionModel`, with the configurations of the models' repositories.
struct PublishedUNet: Sendable {
  let name: String
  /// The width of what cross-attention attends to.
  let contextWidth: Int
  /// Transformer blocks in each attention of each block on the way down; 0: there is no attention.
  private let depths: [Int]
  private let middleDepth: Int

  /// Models that were pruned from one of these have its names.
  static let all = [
    PublishedUNet(name: "SD1", contextWidth: 768, depths: [1, 1, 1, 0], middleDepth: 1),
    PublishedUNet(name: "SD2", contextWidth: 1024, depths: [1, 1, 1, 0], middleDepth: 1),
    PublishedUNet(name: "SDXL", contextWidth: 2048, depths: [0, 2, 10], middleDepth: 10),
    PublishedUNet(name: "SDXL refiner", contextWidth: 1280, depths: [0, 4, 4, 0], middleDepth: 4),
  ]

  /// Layers of a block on the way down; on the way up there is one more.
  private static let layers = 2

  /// The modules by both of their names.
  var modules: [String] {
    var names = [
      "time_embed.0", "time_embed.2", "input_blocks.0.0", "out.0", "out.2", "time_embedding.linear_1",
      "time_embedding.linear_2", "conv_in", "conv_norm_out", "conv_out",
    ]
    if name.hasPrefix("SDXL") {
      names += ["label_emb.0.0", "label_emb.0.2", "add_embedding.linear_1", "add_embedding.linear_2"]
    }
    names += Self.resnet("middle_block.0", "mid_block.resnets.0") + Self.resnet("middle_block.2", "mid_block.resnets.1")
    names += Self.attention("middle_block.1", "mid_block.attentions.0", depth: middleDepth)
    for (block, (down, up)) in zip(depths, depths.reversed()).enumerated() {
      for layer in 0...Self.layers {
        if layer < Self.layers {
          let native = "input_blocks.\(1 + (Self.layers + 1) * block + layer)"
          names += Self.resnet("\(native).0", "down_blocks.\(block).resnets.\(layer)")
          names += Self.attention("\(native).1", "down_blocks.\(block).attentions.\(layer)", depth: down)
        }
        let native = "output_blocks.\((Self.layers + 1) * block + layer)"
        names += Self.resnet("\(native).0", "up_blocks.\(block).resnets.\(layer)")
        names += Self.attention("\(native).1", "up_blocks.\(block).attentions.\(layer)", depth: up)
      }
      guard block + 1 < depths.count else { continue }
      let last = (Self.layers + 1) * (block + 1)
      names += ["input_blocks.\(last).0.op", "down_blocks.\(block).downsamplers.0.conv"]
      names += ["output_blocks.\(last - 1).\(up > 0 ? 2 : 1).conv", "up_blocks.\(block).upsamplers.0.conv"]
    }
    return names
  }

  private static func resnet(_ native: String, _ diffusers: String) -> [String] {
    ["in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection"]
      .map { "\(native).\($0)" }
      + ["norm1", "conv1", "time_emb_proj", "norm2", "conv2", "conv_shortcut"].map { "\(diffusers).\($0)" }
  }

  private static func attention(_ native: String, _ diffusers: String, depth: Int) -> [String] {
    guard depth > 0 else { return [] }
    let parts = ["attn1", "attn2"].flatMap { attention in
      ["to_q", "to_k", "to_v", "to_out.0"].map { "\(attention).\($0)" }
    }
    let block = parts + ["ff.net.0.proj", "ff.net.2", "norm1", "norm2", "norm3"]
    let leaves =
      ["norm", "proj_in", "proj_out"]
      + (0..<depth).flatMap { number in block.map { "transformer_blocks.\(number).\($0)" } }
    return [native, diffusers].flatMap { beginning in leaves.map { "\(beginning).\($0)" } }
  }
}
