/// The VAE of SD, SDXL, SD3 and FLUX.1, diffusers' AutoencoderKL. No adapter changes it, but two models may be compared.
///
/// Native names count the blocks on the way up from the last one, and have the projections of the attention as kernels of one element.
struct Autoencoder {
  /// On the way up.
  private let blocks: Int

  /// A VAE with these names; nil: it is something else.
  init?(_ names: Set<String>) {
    let isNative = Self.native.fits(names)
    guard isNative || Self.diffusers.fits(names) else { return nil }
    var count = 0
    while names.contains(
      isNative ? "decoder.up.\(count).block.0.conv1.weight" : "decoder.up_blocks.\(count).resnets.0.conv1.weight")
    { count += 1 }
    blocks = count
  }

  /// The architecture, with the table for this number of blocks.
  var architecture: Architecture {
    Architecture(
      "AutoencoderKL", diffusers: Self.diffusers, encoders: [],
      RuleTable(.native, Self.native, lines.joined(separator: "\n")))
  }

  private static let native = Detection("decoder.mid.attn_1.q.weight", "encoder.down.0.block.0.conv1.weight")
  private static let diffusers = Detection(
    "decoder.mid_block.attentions.0.to_q.weight", "encoder.down_blocks.0.resnets.0.conv1.weight")

  private var lines: [String] {
    var lines = ["quant_conv -> quant_conv", "post_quant_conv -> post_quant_conv"]
    for half in ["encoder", "decoder"] {
      lines += [
        "[\(half) -> \(half)]", "conv_in -> conv_in", "norm_out -> conv_norm_out", "conv_out -> conv_out",
        "[\(half).mid.attn_1 -> \(half).mid_block.attentions.0]", "norm -> group_norm", "q -> to_q 1x1",
        "k -> to_k 1x1", "v -> to_v 1x1", "proj_out -> to_out.0 1x1", "[]",
      ]
      for block in 0...1 {
        lines += Self.resnet("\(half).mid.block_\(block + 1)", "\(half).mid_block.resnets.\(block)")
      }
    }
    lines += Self.resnet("encoder.down.{i}.block.{j}", "encoder.down_blocks.{i}.resnets.{j}")
    lines.append("encoder.down.{i}.downsample.conv -> encoder.down_blocks.{i}.downsamplers.0.conv")
    for block in 0..<blocks {
      let native = "decoder.up.\(blocks - 1 - block)"
      lines += Self.resnet("\(native).block.{j}", "decoder.up_blocks.\(block).resnets.{j}")
      lines.append("\(native).upsample.conv -> decoder.up_blocks.\(block).upsamplers.0.conv")
    }
    return lines
  }

  private static func resnet(_ native: String, _ diffusers: String) -> [String] {
    [
      "[\(native) -> \(diffusers)]", "norm1 -> norm1", "conv1 -> conv1", "norm2 -> norm2", "conv2 -> conv2",
      "nin_shortcut -> conv_shortcut", "[]",
    ]
  }
}
