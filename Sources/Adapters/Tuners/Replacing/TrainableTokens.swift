import JSONText
import Safetensors

/// Trainable tokens: rows of an embedding that were trained and take the place of the base's, without any other update.
///
/// Source: PEFT 0.21.2 `TrainableTokensLayer.merge`.
struct TrainableTokens: Tuner {
  static let peftType = "TRAINABLE_TOKENS"
  static let name = "trainable tokens"
  static let hasUpdates = false

  static let fields: [ConfigField] = [
    .used("token_indices"),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  static let endings = [KeyEnding("trainable_tokens_delta", AdapterKey.Role.tokenRows, name: 0)]

  /// `token_indices`: the tokens of every embedding that the file has rows of.
  let tokens: AdapterConfig.TokenIndices?
  /// `target_modules`, where it is a list: the ends of the embeddings' paths, each of which has rows.
  private let modules: [String]

  init(_ reader: ConfigReader) throws(AdapterError) {
    guard case .inputEmbedding(let indices)? = try reader.tokenIndices("token_indices") else {
      throw reader.failure("token_indices", expected: "a list of token ids", reader.json["token_indices"] ?? .null)
    }
    tokens = .everyModule(indices)
    if case .string? = reader.json["target_modules"] {
      modules = []
    } else {
      modules = try reader.strings("target_modules")
    }
  }

  func updates(of tensors: AdapterTensors) throws(AdapterError) -> ModuleUpdates {
    let found = tensors.keys.keys.filter { $0.role == .tokenRows }.map(\.module.string)
    for module in modules where !found.contains(where: { $0.isPath(endingWith: module) }) {
      throw tensors.failure(.missingFactor(missing: "\(AdapterKey.prefix)\(module).trainable_tokens_delta"), at: nil)
    }
    return ModuleUpdates()
  }
}
