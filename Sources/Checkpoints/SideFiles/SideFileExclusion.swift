/// The reason that a file or folder of the base is not copied to the result.
public enum SideFileExclusion: String, Sendable, CaseIterable {
  /// The same weights in another format, precision or sharding, and their indexes: they do not contain the merge.
  case weights
  /// Training state, other checkpoints of the training, and its logs.
  case trainingState = "training-state"
  /// An adapter beside the base's weights: loaders would apply it on top of the merged ones.
  case adapter
  /// Names that begin with a dot: version control, download caches, records of another merge.
  case hidden
  /// Caches and other files that programs create again.
  case temporary
  /// README.md describes the base and its evaluation, not the result.
  case modelCard = "model-card"
  /// Settings of a quantization that the result no longer has.
  case quantization
  /// A file that the adapter's tokenizer replaces under another name.
  case replaced
  /// `--exclude-file`.
  case asked

  /// The reason as it is printed.
  public var text: String {
    switch self {
    case .weights: "other weight files"
    case .trainingState: "training state"
    case .adapter: "adapter"
    case .hidden: "hidden file"
    case .temporary: "temporary file"
    case .modelCard: "the base's model card"
    case .quantization: "settings of the base's quantization"
    case .replaced: "replaced by the adapter's tokenizer"
    case .asked: "--exclude-file"
    }
  }
}
