import JSONText
import Platform
import Safetensors

/// The kind of a folder, by the names of its files: one answer for every command.
///
/// A folder that holds both is a model where a model is expected, and an adapter where an adapter is expected.
public enum ModelFolder: Equatable, Sendable {
  case model
  case adapter
  /// A model's weights and an adapter's.
  case both
  case neither

  /// The kind of the folder at `path`; a path that is not a folder, or cannot be read, is neither.
  public init(_ path: String) {
    let entries = (try? SystemCalls.entries(ofFolder: path)) ?? []
    let config = entries.contains("config.json") ? try? Checkpoint.readConfig(Paths.join(path, "config.json")) : nil
    self.init(entries: entries, config: config)
    if self == .neither, !entries.isEmpty, (try? PipelineIndex(path)) != nil { self = .model }
  }

  /// The kind of a folder that holds these files.
  ///
  /// - Parameters:
  ///   - entries: The names in the folder.
  ///   - config: config.json, which may name the weights.
  public init(entries: [String], config: JSONValue? = nil) {
    var isModel = entries.contains(where: Self.isWeights)
    if case .string? = config?["transformers_weights"] { isModel = true }
    if entries.contains(PipelineIndex.fileName) { isModel = true }
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

  /// Weights of a model or their index, including formats that are not read: those are rejected with an explicit error.
  private static func isWeights(_ name: String) -> Bool {
    guard SideFileRules.exclusion(name, isFolder: false, isRoot: true) == .weights else { return false }
    return [".safetensors", ".bin", ".pt", ".pth", ".safetensors.index.json"].contains { name.hasSuffix($0) }
  }
}
