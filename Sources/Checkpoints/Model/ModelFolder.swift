import JSONText
import Platform
import Safetensors

/// What a folder holds, by the names of its files: one answer for every command.
///
/// A folder that holds both is a model to whoever asks for a model, and an adapter where an adapter is asked for.
public enum ModelFolder: Equatable, Sendable {
  case model
  case adapter
  /// A model's weights and an adapter's.
  case both
  case neither

  /// Of the folder at `path`; what is no folder, or cannot be read, is neither.
  public init(_ path: String) {
    let entries = (try? SystemCalls.entries(ofFolder: path)) ?? []
    let config = entries.contains("config.json") ? try? Checkpoint.readConfig(Paths.join(path, "config.json")) : nil
    self.init(entries: entries, config: config)
  }

  /// Of a folder that holds these files.
  ///
  /// - Parameters:
  ///   - entries: The names in the folder.
  ///   - config: config.json, which may name the weights.
  public init(entries: [String], config: JSONValue? = nil) {
    var isModel = entries.contains(where: Self.isWeights)
    if case .string? = config?["transformers_weights"] { isModel = true }
    let hasWeights = entries.contains { $0.hasPrefix("adapter_model.") || $0.hasPrefix("adapter_model-") }
    let isAdapter = hasWeights || !isModel && entries.contains("adapter_config.json")
    self =
      switch (isModel, isAdapter) {
      case (true, true): .both
      case (true, false): .model
      case (false, true): .adapter
      case (false, false): .neither
      }
  }

  /// Whether it can be the base of a merge.
  public var isModel: Bool { self == .model || self == .both }

  /// Weights of a model or their index, also in formats that are not read: those are refused by name.
  private static func isWeights(_ name: String) -> Bool {
    guard SideFileRules.exclusion(name, isFolder: false, isRoot: true) == .weights else { return false }
    return [".safetensors", ".bin", ".pt", ".pth", ".safetensors.index.json"].contains { name.hasSuffix($0) }
  }
}
