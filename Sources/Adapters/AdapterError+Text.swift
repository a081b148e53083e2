import Platform
import Safetensors

/// The words of ``AdapterError``.
extension AdapterError {
  public var message: String { problem.message }

  public var hint: String? {
    switch problem {
    case .file(let error): error.hint
    case .severalAdapters, .severalWeights: "name one of them"
    case .notAFolder: "name the folder that holds \(AdapterFolder.configName) and \(AdapterFolder.weightsName)"
    case .pickle: AdapterFolder.pickleConversion
    case .unsupportedField(_, _, _, let hint): hint
    case .peftType(let found): PEFTMethods.hint(found)
    case .unknownField: "delete it from \(AdapterFolder.configName) if it only describes the training"
    case .scalingUnknown: "write \"r\" and \"lora_alpha\" of the training to \(AdapterFolder.configName)"
    case .trainerConfig(let name, _, _):
      "copy \(name) of the training beside the weights, or write an \(AdapterFolder.configName) with \"peft_type\", \"r\" "
        + "and \"lora_alpha\""
    case .keyRepeatedPrefix, .unknownContainer: "save the adapter with PEFT's save_pretrained"
    case .adapterNames(let found, let other):
      "save them apart: PEFT's save_pretrained(folder, selected_adapters=[\"\(found)\"]), and the same for \"\(other)\""
    case .biasNotDeclared:
      "if it is to be scaled like the factors, as PEFT scales it, write \"lora_bias\": true to "
        + "\(AdapterFolder.configName)"
    case .baseBiasNotDeclared: "trained biases belong to an adapter with \"bias\": \"all\" or \"lora_only\""
    case .parameterOrder: "merge it with PEFT's merge_and_unload, which has the module"
    default: nil
    }
  }

  static func text(_ shape: [Int]) -> String { "(\(shape.map(String.init).joined(separator: ", ")))" }
}

extension AdapterError.Problem {
  fileprivate var message: String {
    switch self {
    case .system(let call, let code): "\(call): \(SystemCalls.text(of: code))"
    case .file(let error): error.message
    case .notAFolder: "is a file; an adapter is a folder"
    case .missingFile(let name): "no \(name) in this folder"
    case .severalAdapters(let folders):
      "no \(AdapterFolder.configName) in this folder, and adapters in its folders \(Self.list(folders))"
    case .severalWeights(let folders):
      "no \(AdapterFolder.weightsName) in this folder, and weights in its folders \(Self.list(folders))"
    case .pickle: "the weights are a Python pickle, which is never opened; \(AdapterFolder.weightsName) expected"

    case .configTooLarge(let byteCount, let limit): "has \(byteCount) bytes; at most \(limit) are allowed"
    case .configNotJSON(let error): "not valid JSON: \(error)"
    case .configNotAnObject(let found): "an object expected, found \(found)"
    case .peftType(let found):
      found.map { "\"peft_type\" is \($0): \(PEFTMethods.reason($0))" }
        ?? "\"peft_type\" is missing: \"LORA\" expected"
    case .scalingUnknown(let ranks, let hasRank, let hasAlpha):
      (hasAlpha ? "\"r\" is missing" : hasRank ? "\"lora_alpha\" is missing" : "\"r\" and \"lora_alpha\" are missing")
        + ", and the factors have "
        + (ranks.count == 1 ? "rank \(ranks[0])" : "ranks \(Self.numbers(ranks))")
        + ": nothing says how the updates are scaled"
    case .trainerConfig(_, let missing, let found):
      (found.map { "\(missing) is \($0)" } ?? "\(missing) is missing") + ": nothing says how the updates are scaled"
    case .fieldType(let field, let expected, let found): "\"\(field)\" is \(found): \(expected) expected"
    case .unsupportedField(let field, let value, let reason, _): "\"\(field)\" is \(value): \(reason)"
    case .unknownField(let field, let value):
      "\"\(field)\" is \(value): an unknown field may change the result; only null is allowed"
    case .pattern(let field, let key, let problem):
      "\"\(field)\": pattern \"\(key.prefix(200))\(key.count > 200 ? "..." : "")\": \(problem)"
    case .patterns(let field, let problem): "\"\(field)\": \(problem)"

    case .keyRepeatedPrefix(let prefix, let count): "the name begins \(count) times with \"\(prefix)\""
    case .adapterNames(let found, let other):
      "the name holds the adapter's name \"\(found)\"; other keys hold \"\(other)\", and a file is one adapter"
    case .mixedOrientation(let other): "is stored another way round than \(other): one way expected for both"
    case .sameMeaning(let other): "means the same as \(other): one of the two expected"
    case .sameTarget(let target, let other): "replaces \(target), as \(other) does: one of the two expected"
    case .keyWithoutModule: "the name has no module"
    case .unknownKey:
      "unknown kind of tensor; a factor (lora_A.weight, lora_B.weight, ...) or a tensor of the model expected"

    case .missingFactor(let missing): "one half missing: there is no \(missing)"
    case .biasTwice(let other): "the same bias as \(other): one of the two expected"
    case .biasNotDeclared: "is there although \"lora_bias\" is not true in \(AdapterFolder.configName)"
    case .baseBiasNotDeclared: "is there although \"bias\" is \"none\" in \(AdapterFolder.configName)"
    case .diagonalNotDeclared: "is there although there is no \"kasa_config\" in \(AdapterFolder.configName)"
    case .magnitudeNotDeclared: "is there although \"use_dora\" is not true in \(AdapterFolder.configName)"
    case .variantNotDeclared(let field): "is there although \(AdapterFolder.configName) has no \"\(field)\""
    case .embeddingAndLinear: "factors of an embedding and of another layer for one module: one kind expected"
    case .impossible(let field, let owner): "\"\(field)\" is set, which PEFT does not have for \(owner)"
    case .decomposition(let change, let owner):
      "\(change.rawValue) (\"\(change.field)\") changes the weights of linear layers, and this is \(owner)"
    case .blocksInBoth: "the module is in both lists of \"use_bdlora\": one expected"
    case .blocksInNeither: "the module is in neither list of \"use_bdlora\", whose match_strict asks for one"
    case .blocks(let blocks, let name, let size):
      "\"use_bdlora\" has \(blocks) blocks, but the \(name) is \(size) and does not divide into them"

    case .unknownContainer(let module):
      "stands inside \(module), which is neither an attention block with an update nor has updated parameters"
    case .nestedUpdate(let depth):
      "an update inside \(depth) other\(depth == 1 ? "" : "s") of the module, but \"target_parameters\" names no "
        + "parameter of it"
    case .parameterCount(let parameters, let depths):
      "\"target_parameters\" names \(parameters.count) of the module's parameters (\(Self.list(parameters))), so that "
        + "updates with 0 to \(parameters.count - 1) \"base_layer\" are expected, found \(Self.numbers(depths))"
    case .parameterOrder(let parameters, let unknown):
      "whether this update is of \(Self.list(parameters)) is ambiguous: in which order the module registers "
        + "\"\(unknown)\" is not known"

    case .originalAlone(let target): "the base's own \(target), but the adapter has no trained one"
    case .missingSavedModules(let names): "\"modules_to_save\" names \(Self.list(names)), but no tensor of them is here"
    case .tokensNotDeclared:
      "token rows that \"trainable_token_indices\" in \(AdapterFolder.configName) does not name"
    case .tokensOfSeveral(let other):
      "\"trainable_token_indices\" is one list, for the input embedding, but there are rows of \(other) too"
    case .tokensNamedTwice(let one, let other):
      "\"trainable_token_indices\" names it twice, as \"\(one)\" and as \"\(other)\""
    case .missingTokenRows(let owner):
      "\"trainable_token_indices\" names tokens of \(owner), but no token_adapter.trainable_tokens_delta of it is here"

    case .dtype(let dtype): "dtype \(dtype.name); F64, F32, F16, BF16, F8_E4M3 or F8_E5M2 expected"
    case .shape(let expected, let found): "shape \(expected) expected, found \(Self.text(found))"
    case .rank(let expected, let found, let shape, let pattern):
      "rank \(expected) expected from \(pattern.map { "rank_pattern \"\($0)\"" } ?? "\"r\""), found \(found) "
        + "in shape \(Self.text(shape))"
    case .expertRank(let rank, let found, let shape, let pattern):
      "a multiple of rank \(rank) expected from \(pattern.map { "rank_pattern \"\($0)\"" } ?? "\"r\""), found \(found) "
        + "in shape \(Self.text(shape))"
    case .noLayers: "has no lora_A and lora_B, although the config names modules to adapt"
    case .noTensors: "has no tensors: this adapter changes nothing"
    case .uses(let count): "has \(count) uses, one expected: please report this"
    }
  }

  private static func text(_ shape: [Int]) -> String { AdapterError.text(shape) }

  private static func numbers(_ values: [Int]) -> String { values.map(String.init).joined(separator: ", ") }

  fileprivate static func list(_ names: [String]) -> String {
    let shown = names.prefix(5).map { "\"\($0)\"" }.joined(separator: ", ")
    return names.count > 5 ? "\(shown) and \(names.count - 5) more" : shown
  }
}
