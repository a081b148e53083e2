/// How the keys of an adapter that is one file end, as a table: what is before the suffix is the module's name.
///
/// Sources: the writers of kohya sd-scripts, LyCORIS 4.1.3, diffusers 0.42.1, OneTrainer, ComfyUI, lightx2v, DiffSynth-Studio.
enum FileSuffixes {
  /// What a suffix says.
  enum Meaning: Sendable {
    case role(FactorRole, FileSpelling?)
    case foreign(ForeignKind)
  }

  struct Entry: Sendable {
    /// With the dot before it.
    let text: String
    let meaning: Meaning
  }

  private static let factors: [Entry] = FileSpelling.allCases.filter { $0 != .processor }
    .flatMap {
      [
        Entry(text: $0.down, meaning: .role(.loraA, $0)),
        Entry(text: $0.up, meaning: .role(.loraB, $0)),
      ]
    }

  private static let named: [Entry] =
    ([
      .loraMid, .alpha, .doraScale, .magnitude, .difference, .biasDifference, .modulationDifference, .normDifference,
      .normBiasDifference, .wholeWeight, .newShape, .loraBias, .onInput, .ia3Vector, .gloraA1, .gloraA2, .gloraB1,
      .gloraB2, .gloraMid, .orthogonalBlocks, .orthogonalScale, .scale,
    ] + LoHa.roles + LoKr.roles).map { Entry(text: "." + $0.ending, meaning: .role($0, nil)) }

  private static let spelledOtherwise: [Entry] = [
    Entry(text: ".lora_magnitude_vector.weight", meaning: .role(.magnitude, nil)),
    Entry(text: ".magnitude", meaning: .role(.magnitude, nil)),
  ]

  private static let foreign: [Entry] =
    ([
      (".q_layer.weight", .tLoRA), (".p_layer.weight", .tLoRA), (".lambda_layer", .tLoRA),
      (".oft_R.weight", .oneTrainerOFT), (".oft_R.scaled_oft", .oneTrainerOFT),
      (".bias_indices", .sparseBias), (".bias_values", .sparseBias), (".bias_size", .sparseBias),
      (".lora_down", .nunchaku), (".lora_up", .nunchaku), (".qweight", .nunchaku), (".wscales", .nunchaku),
      (".smooth_factor", .nunchaku),
    ] as [(String, ForeignKind)]).map { Entry(text: $0.0, meaning: .foreign($0.1)) }

  /// By their last byte, the longest first.
  private static let byLastByte: [UInt8: [Entry]] = {
    let all = (factors + named + spelledOtherwise + foreign).sorted { $0.text.utf8.count > $1.text.utf8.count }
    return Dictionary(grouping: all) { $0.text.utf8.last ?? 0 }
  }()

  /// The longest suffix of a key, and what is before it; nil: the key has none of the table.
  static func match(_ key: String) -> (stem: String, entry: Entry)? {
    let bytes = key.utf8
    guard let last = bytes.last, let candidates = byLastByte[last] else { return nil }
    for entry in candidates {
      let suffix = entry.text.utf8
      guard bytes.count > suffix.count, bytes.suffix(suffix.count).elementsEqual(suffix) else { continue }
      return (String(Substring(bytes.dropLast(suffix.count))), entry)
    }
    return nil
  }
}
