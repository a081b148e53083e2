/// Names in `adapters.safetensors` of mlx-lm: the module's path in MLX's model and `lora_a`, `lora_b` or `m`.
///
/// Of a linear layer `lora_a` is (in, r) and `lora_b` (r, out), and the weight becomes `W + scale (lora_a lora_b)^T`. Of an
/// embedding `lora_a` is (vocabulary, r) and `lora_b` (r, dimension), and the weight becomes `W + scale lora_a lora_b`. Of a
/// stack of experts (`SwitchLinear`) `lora_a` is (experts, r, in) and `lora_b` (experts, out, r), and each matrix becomes
/// `W + scale lora_b lora_a`. `m` has a norm for each row of the weight: DoRA.
///
/// Sources: mlx-lm 0.32.2 `tuner/lora.py`, `tuner/dora.py`, `tuner/utils.py` `load_adapters`. Before 0.28.3 the `lora_a` of a stack
/// was (experts * r, in), expert by expert, which `fuse` still reads.
enum MLXKeys {
  /// The keys of a whole adapter.
  static let dialect: KeyDialect = {
    let endings = [
      KeyEnding("lora_a", .loraA, name: nil, .transposedFactor),
      KeyEnding("lora_b", .loraB, name: nil, .transposedFactor),
      KeyEnding("m", .magnitude, name: nil),
    ]
    return KeyDialect(
      prefix: [], wrappers: [], wrapped: "base_layer", endings: endings, sharedEndings: [], numberedMarkers: [],
      markers: Set(endings.map(\.marker)), updatePrefixes: ["lora_"], spelling: .mlx)
  }()

  /// How the key of a role ends.
  static func ending(_ role: AdapterKey.Role) -> String {
    switch role {
    case .factor(.loraA): "lora_a"
    case .factor(.loraB): "lora_b"
    case .factor(.magnitude): "m"
    default: role.suffix
    }
  }

  /// What MLX's models call the stacks that transformers calls `experts`.
  private static let stack = "switch_mlp"
  private static let projections: Set<String> = ["gate_proj", "up_proj", "down_proj"]

  /// Gives the stacks of experts their usual name.
  static func rename(_ segments: inout [String]) {
    for place in segments.indices.dropLast()
    where segments[place] == stack && projections.contains(segments[place + 1]) {
      segments[place] = ExpertKeys.container
    }
  }
}
