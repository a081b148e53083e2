/// HiDream-I1, whose native names are those of diffusers.
enum HiDream {
  static let architecture = Architecture(
    "HiDream",
    diffusers: Detection("caption_projection.0.linear.weight"),
    keepsUnlistedNames: true, encoders: [.clipL, .clipG, .t5, .other("")])
}
