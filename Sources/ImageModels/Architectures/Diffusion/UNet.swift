/// The UNet of SD1, SD2, SDXL and what was made from them, such as inpainting models, the refiner and SSD-1B.
///
/// Its native names number the blocks' layers on. Which layer is which follows from the number of blocks and of layers in each, and
/// from where there is attention; all are read from the base's names, so pruned models need no table of their own.
struct UNet {
  /// Layers of a block on the way down; there is one more on the way up.
  private let layers: Int
  private let blocks: Int
  /// Which blocks have attention, on the way up.
  private let attendsUp: [Bool]
  /// What diffusers calls the embedding of sizes or of an image.
  private let label: String
  private let name: String
  private let isNative: Bool

  /// A UNet with these names, and the shapes that tell its version; nil: it is something else.
  init?(_ names: Set<String>, shape: (String) -> [Int]?) {
    isNative = Self.native.fits(names)
    guard isNative || Self.diffusers.fits(names) else { return nil }
    func count(_ name: (Int) -> String) -> Int {
      var number = 0
      while names.contains(name(number)) { number += 1 }
      return number
    }
    let attends: (Int) -> Bool
    if isNative {
      let first = count { "input_blocks.\($0 + 1).0.in_layers.0.weight" }
      guard first > 0 else { return nil }
      let layers = first
      self.layers = layers
      blocks = count { "input_blocks.\((layers + 1) * ($0 + 1)).0.op.weight" } + 1
      attends = { names.contains("output_blocks.\((layers + 1) * $0).1.norm.weight") }
    } else {
      layers = count { "down_blocks.0.resnets.\($0).conv1.weight" }
      blocks = count { "down_blocks.\($0).resnets.0.conv1.weight" }
      attends = { names.contains("up_blocks.\($0).attentions.0.norm.weight") }
    }
    attendsUp = (0..<blocks).map(attends)
    let attendsFirst = names.contains(
      isNative ? "input_blocks.1.1.norm.weight" : "down_blocks.0.attentions.0.norm.weight")
    let projection = isNative ? "middle_block.1.proj_in.weight" : "mid_block.attentions.0.proj_in.weight"
    let hasLabel = names.contains { $0.hasPrefix("label_emb.") || $0.hasPrefix("add_embedding.") }
    let isUnCLIP = names.contains("class_embedding.linear_1.weight") || (isNative && hasLabel && attendsFirst)
    label = isUnCLIP ? "class_embedding" : "add_embedding"
    name =
      if isUnCLIP {
        "SD2 unCLIP"
      } else if hasLabel {
        blocks == 4 ? "SDXL refiner" : "SDXL"
      } else {
        shape(projection)?.count == 2 ? "SD2" : "SD1"
      }
  }

  /// The architecture, with the table for this base's sizes.
  var architecture: Architecture {
    let encoders: [Component.Kind] =
      switch name {
      case "SDXL": [.clipL, .clipG]
      case "SDXL refiner": [.other("none"), .clipG]
      case "SD1": [.clipL]
      default: [.clipH]
      }
    return Architecture(
      name, diffusers: Self.diffusers, encoders: encoders,
      RuleTable(.native, Self.native, lines.joined(separator: "\n")))
  }

  private static let native = Detection("input_blocks.0.0.weight", "time_embed.0.weight")
  private static let diffusers = Detection(
    "conv_in.weight", "time_embedding.linear_1.weight", "down_blocks.0.resnets.0.conv1.weight")

  private var lines: [String] {
    var lines = [
      "time_embed.0 -> time_embedding.linear_1", "time_embed.2 -> time_embedding.linear_2",
      "label_emb.0.0 -> \(label).linear_1", "label_emb.0.2 -> \(label).linear_2",
      "input_blocks.0.0 -> conv_in", "out.0 -> conv_norm_out", "out.2 -> conv_out",
      "middle_block.1.** -> mid_block.attentions.0.**",
    ]
    lines += Self.resnet("middle_block.0", "mid_block.resnets.0") + Self.resnet("middle_block.2", "mid_block.resnets.1")
    for block in 0..<blocks {
      for layer in 0..<layers {
        let native = "input_blocks.\(1 + (layers + 1) * block + layer)"
        lines += Self.resnet("\(native).0", "down_blocks.\(block).resnets.\(layer)")
        lines.append("\(native).1.** -> down_blocks.\(block).attentions.\(layer).**")
      }
      for layer in 0...layers {
        let native = "output_blocks.\((layers + 1) * block + layer)"
        lines += Self.resnet("\(native).0", "up_blocks.\(block).resnets.\(layer)")
        if attendsUp[block] { lines.append("\(native).1.** -> up_blocks.\(block).attentions.\(layer).**") }
      }
      guard block < blocks - 1 else { continue }
      let last = (layers + 1) * (block + 1)
      lines.append("input_blocks.\(last).0.op -> down_blocks.\(block).downsamplers.0.conv")
      let place = attendsUp[block] ? 2 : 1
      lines.append("output_blocks.\(last - 1).\(place).conv -> up_blocks.\(block).upsamplers.0.conv")
    }
    return lines
  }

  private static func resnet(_ native: String, _ diffusers: String) -> [String] {
    [
      "[\(native) -> \(diffusers)]", "in_layers.0 -> norm1", "in_layers.2 -> conv1", "emb_layers.1 -> time_emb_proj",
      "out_layers.0 -> norm2", "out_layers.3 -> conv2", "skip_connection -> conv_shortcut", "[]",
    ]
  }
}
