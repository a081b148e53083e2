import JSONText
import Safetensors

/// One PEFT LoRA adapter on disk: what its config and the header of its weights say. No tensor data is read.
public struct Adapter: Sendable {
  /// The folder as the caller named it.
  public let path: String
  /// adapter_config.json in that folder.
  public let configPath: String
  /// adapter_model.safetensors in that folder.
  public let weightsPath: String
  /// What the config says.
  public let config: AdapterConfig
  /// The header of the weights.
  public let header: SafetensorsHeader
  /// What the adapter does, a layer for each module, in the order of the modules' bytes. Every tensor of ``header``
  /// is in exactly one of them.
  public let layers: [AdapterLayer]
  /// Keys of `rank_pattern` and `alpha_pattern` that decided no layer: PEFT ignores them without a word.
  public let unusedPatterns: [UnusedPattern]

  /// What the adapter was trained on, if the config says so.
  public var baseModelName: String? { config.baseModelName }

  /// Reads the adapter in the folder at `path` and checks that its parts fit together.
  ///
  /// - Throws: The first thing that is missing, malformed, not supported or does not fit.
  public init(folder path: String) throws(AdapterError) {
    let folder = try AdapterFolder(path: path)
    let config = try folder.readConfig()
    let header = try folder.readHeader()
    let assembly = try LayerAssembly(
      table: header.tensors, config: config, path: folder.weightsPath, configPath: folder.configPath)
    self.path = path
    configPath = folder.configPath
    weightsPath = folder.weightsPath
    self.config = config
    self.header = header
    layers = assembly.layers
    unusedPatterns = assembly.unusedPatterns
  }
}

/// A key of `rank_pattern` or `alpha_pattern` that decided no layer.
public struct UnusedPattern: Equatable, Sendable {
  /// The field that it stands in.
  public let field: String
  /// The pattern.
  public let key: String
}
