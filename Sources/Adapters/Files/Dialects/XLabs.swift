/// Names of XLabs and USO for FLUX, whose factors lie in processors of blocks.
///
/// Source: diffusers 0.42.1 `_convert_xlabs_flux_lora_to_diffusers`.
enum XLabs {
  /// The name of the module before `.down.weight`, in the names of FLUX's own code; nil: the name is not of this kind.
  static func module(_ segments: [String]) -> String? {
    guard segments.count >= 4 else { return nil }
    let end = segments.suffix(4)
    let (blocks, number, holder, name) = (
      end[end.startIndex], end[end.startIndex + 1], end[end.startIndex + 2], end[end.startIndex + 3]
    )
    guard holder == "processor", Int(number) != nil, let own = names[blocks]?[name] else { return nil }
    return (segments.dropLast(2) + [own]).joined(separator: ".")
  }

  private static let names = [
    "double_blocks": [
      "qkv_lora1": "img_attn.qkv", "qkv_lora2": "txt_attn.qkv", "proj_lora1": "img_attn.proj",
      "proj_lora2": "txt_attn.proj",
    ],
    // The first three of the seven parts of linear1 have a name of their own.
    "single_blocks": ["qkv_lora": "linear1_qkv", "proj_lora": "linear2"],
  ]
}
