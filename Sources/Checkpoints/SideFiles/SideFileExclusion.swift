/// Why a file or folder of the base does not go along with the merged weights.
public enum SideFileExclusion: String, Sendable, CaseIterable {
  /// The same weights in another format, precision or division, and their indexes: they hold no merge.
  case weights
  /// What a training writes to go on, its other checkpoints and its logs.
  case trainingState = "training-state"
  /// An adapter beside the base's weights: loaders would apply it on top of the merged ones.
  case adapter
  /// Names that begin with a dot: version control, download caches, records of another merge.
  case hidden
  /// What a program left or will make again.
  case temporary
  /// README.md describes the base and its evaluation, not the result.
  case modelCard = "model-card"
  /// Settings of a quantization that the result has no more.
  case quantization
  /// What the tokenizer beside the adapter replaces under another name.
  case replaced
  /// `--exclude-file`.
  case asked

  /// As a line for people says it.
  public var text: String {
    switch self {
    case .weights: "weights in other files"
    case .trainingState: "training state"
    case .adapter: "adapter"
    case .hidden: "hidden"
    case .temporary: "temporary"
    case .modelCard: "the base's model card"
    case .quantization: "settings of the quantization that is gone"
    case .replaced: "replaced by the adapter's tokenizer"
    case .asked: "--exclude-file"
    }
  }
}
