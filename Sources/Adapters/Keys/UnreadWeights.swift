import Platform
import Safetensors

/// Files beside an adapter's weights that hold weights too, and that no merge reads: value heads, projectors and
/// embeddings that were trained with the adapter, or other adapters.
struct UnreadWeights {
  /// Relative to the adapter's folder, in the order of their bytes.
  let names: [String]

  /// - Parameters:
  ///   - folder: The adapter's.
  ///   - read: The path of the file that is read.
  init(folder: String, beside read: String) {
    var names: [String] = []
    for name in Self.entries(folder) where !Self.isHidden(name) {
      let path = Paths.join(folder, name)
      guard let identity = try? SystemCalls.identity(path: path) else { continue }
      if identity.isDirectory {
        if Self.isOfTraining(folder: name) { continue }
        names += Self.entries(path).filter { Self.holdsWeights($0) }.map { "\(name)/\($0)" }
      } else if Self.holdsWeights(name), !path.utf8.elementsEqual(read.utf8) {
        names.append(name)
      }
    }
    self.names = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  /// What cannot be listed has no weights that could be named.
  private static func entries(_ folder: String) -> [String] { (try? SystemCalls.entries(ofFolder: folder)) ?? [] }

  private static func isHidden(_ name: String) -> Bool { name.utf8.first == UInt8(ascii: ".") }

  private static let endings = [
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".npz", ".h5", ".msgpack", ".pkl", ".distcp",
  ]

  /// Whether a file holds weights, by its name: none that only a training reads to resume, and no tokenizer.
  private static func holdsWeights(_ name: String) -> Bool {
    let lower = name.lowercased()
    guard !isHidden(name), endings.contains(where: lower.hasSuffix) else { return false }
    return !statePrefixes.contains(where: lower.hasPrefix) && !lower.contains("tokenizer")
  }

  private static let statePrefixes = [
    "training_args", "trainer_state", "optimizer", "scheduler", "rng_state", "random_states", "scaler", "sampler",
    "dataloader", "lr_scheduler", "loss_scaler", "grad_scaler", "custom_checkpoint",
  ]

  /// Folders of a training: its checkpoints, states and logs.
  private static func isOfTraining(folder name: String) -> Bool {
    let lower = name.lowercased()
    return ["checkpoint-", "global_step", "optimizer", "runs", "logs", "wandb", "tensorboard"]
      .contains(where: lower.hasPrefix)
  }
}
