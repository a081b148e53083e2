import Platform
import Safetensors

/// The words of ``AdapterError``.
extension AdapterError {
  public var message: String { problem.message }

  public var hint: String? {
    switch problem {
    case .file(let error): error.hint
    case .severalAdapters, .severalWeights: "pass one of them"
    case .notAFolder: "pass the folder with \(AdapterFolder.configName) and \(AdapterFolder.weightsName)"
    case .missingFile(AdapterFolder.weightsName): "incomplete download? download the adapter again"
    case .pickle: AdapterFolder.pickleConversion(path)
    case .unsupportedField(_, _, _, let hint): hint
    case .peftType(let found): PEFTMethods.hint(found)
    case .unknownField:
      "update safemerge, or delete the field from \(configName) if it has no effect on the weights"
    case .scalingUnknown: "add the \"r\" and \"lora_alpha\" of the training to \(AdapterFolder.configName)"
    case .trainerConfig(let name, _, _):
      "copy \(name) from the training output, or write an \(AdapterFolder.configName) with \"peft_type\", \"r\" and "
        + "\"lora_alpha\""
    case .keyRepeatedPrefix, .unknownContainer: "save the adapter with PEFT's save_pretrained"
    case .adapterNames(let found, let other):
      "save each one with PEFT's save_pretrained(folder, selected_adapters=[\"\(found)\"]); \"\(other)\" likewise"
    case .biasNotDeclared:
      "if it is to be scaled like lora_B, as in PEFT, add \"lora_bias\": true to \(AdapterFolder.configName)"
    case .baseBiasNotDeclared: "trained biases belong to an adapter with \"bias\": \"all\" or \"lora_only\""
    case .parameterOrder, .vectorUnknown: "merge it with PEFT's merge_and_unload"
    case .rank, .expertRank: "are config and weights from different adapters?"
    case .missingFactor: "the adapter file is incomplete; save it again"
    case .unknownKeys(_, _, let isAll):
      isAll
        ? "is this a model, and not an adapter? the base comes first: safemerge merge BASE ADAPTER -o OUTPUT"
        : "update safemerge, or ask for this kind of adapter"
    case .foreign(let kind): kind.hint
    case .unsupportedMethod, .paddedWeight, .eitherGLoRA, .rankStabilized: "merge it with the program that wrote it"
    case .alpha: "write the alpha of the training, or the rank, into this tensor"
    case .alphaAndMetadata: "remove the tensors of alpha, or \(StatedConfigs.key) from the metadata"
    case .weightsOfFolder: "pass the folder"
    case .otherFile: "load it with torch.load(..., weights_only=True) and save it with safetensors.torch.save_file"
    case .noTensors where Paths.lastComponent(path) != AdapterFolder.weightsName:
      "incomplete? download the adapter again, or save it again with its trainer"
    case .nothingToMerge: "its tensors belong to the training or to embeddings; is it the right file?"
    case .noLayers, .noTensors: "save the adapter again with PEFT's save_pretrained"
    default: nil
    }
  }

  /// Where the fields of the config are.
  private var configName: String {
    Paths.lastComponent(path) == AdapterFolder.configName
      ? AdapterFolder.configName : "\(StatedConfigs.key) in the metadata"
  }

  static func text(_ shape: [Int]) -> String { "(\(shape.map(String.init).joined(separator: ", ")))" }
}

extension AdapterError.Problem {
  fileprivate var message: String {
    switch self {
    case .system(let call, let code): SystemCalls.message(of: call, code: code)
    case .file(let error): error.message
    case .notAFolder: "this is a file, and an adapter is a folder"
    case .missingFile(AdapterFolder.configName):
      "no \(AdapterFolder.configName) in this folder, so it is not a PEFT adapter"
    case .missingFile(let name): "no \(name) in this folder"
    case .severalAdapters(let folders):
      "no \(AdapterFolder.configName) in this folder, but adapters in its subfolders \(Self.list(folders))"
    case .severalWeights(let folders):
      "no \(AdapterFolder.weightsName) in this folder, but weights in its subfolders \(Self.list(folders))"
    case .pickle: "the weights are a Python pickle, which is never opened; expected \(AdapterFolder.weightsName)"

    case .configTooLarge(let byteCount, let limit):
      "the file has \(NumberText.bytes(byteCount)); at most \(NumberText.bytes(limit)) are allowed"
    case .configNotJSON(let error): "not valid JSON: \(error)"
    case .configNotAnObject(let found): "expected a JSON object, found \(found)"
    case .peftType(let found):
      found.map { "\"peft_type\" is \($0): \(PEFTMethods.reason($0))" }
        ?? "\"peft_type\" is missing"
    case .scalingUnknown(let ranks, let hasRank, let hasAlpha):
      (hasAlpha ? "\"r\" is missing" : hasRank ? "\"lora_alpha\" is missing" : "\"r\" and \"lora_alpha\" are missing")
        + ", and the factors have "
        + (ranks.count == 1 ? "rank \(ranks[0])" : "ranks \(Self.numbers(ranks))")
        + ", so the scaling is unknown"
    case .trainerConfig(_, let missing, let found):
      (found.map { "\(missing) is \($0)" } ?? "\(missing) is missing") + ", so the scaling is unknown"
    case .fieldType(let field, let expected, let found): "\"\(field)\" is \(found): expected \(expected)"
    case .unsupportedField(let field, let value, let reason, _): "\"\(field)\" is \(value): \(reason)"
    case .unknownField(let field, let value):
      "\"\(field)\" is \(value): an unknown field, which may change the result"
    case .pattern(let field, let key, let problem):
      "\"\(field)\": pattern \"\(key.prefix(200))\(key.count > 200 ? "..." : "")\": \(problem)"
    case .patterns(let field, let problem): "\"\(field)\": \(problem)"

    case .keyRepeatedPrefix(let prefix, let count): "the name begins with \"\(prefix)\" \(count) times"
    case .adapterNames(let found, let other):
      "the name contains the adapter name \"\(found)\" and other names contain \"\(other)\"; a file holds one adapter"
    case .mixedOrientation(let other): "stored transposed relative to \(other)"
    case .sameMeaning(let other): "has the same meaning as \(other); expected only one of them"
    case .sameTarget(let target, let other): "replaces \(target), and so does \(other)"
    case .keyWithoutModule: "the name contains no module"
    case .unknownKey:
      "unknown kind of tensor; expected a factor (lora_A.weight, lora_B.weight, ...) or a tensor of the model"

    case .unknownKeys(let others, let count, _):
      "unknown kind of tensor" + (count > 1 ? ", one of \(count): also \(others.joined(separator: ", "))" : "")
        + "; expected a tensor of an adapter (lora_down.weight, lora_A.weight, hada_w1_a, lokr_w1, diff, ...)"
    case .foreign(let kind): "part of \(kind.title): \(kind.reason)"
    case .unsupportedMethod(let name): "\(name) in a file without a config is not supported"
    case .eitherGLoRA: "the factors fit both forms of GLoRA, of which LyCORIS has exchanged the factors"
    case .rankStabilized(let name):
      "trained with rs_lora, of which \(name) saves an alpha without the root of the rank: the scaling is not known"
    case .paddedWeight(let method):
      "the weight is to be padded to another shape first, which is supported of LoRA, not of \(method ?? "a module without one")"
    case .newShape(let shape, let factors):
      "the weight is to be padded to \(shape.isEmpty ? "a shape without numbers" : Self.text(shape)); the factors make \(factors)"
    case .alpha(let value):
      value == 0
        ? "alpha is 0, which some programs read as no effect and others as the rank"
        : "alpha is \(value); expected a number"
    case .scalarDType(let dtype): "the dtype is \(dtype.name); expected a number"
    case .onInput(let value): "on_input is \(value); expected 0 or 1"
    case .alphaAndMetadata:
      "an alpha, and \(StatedConfigs.key) in the metadata states alphas too; expected one of the two"
    case .metadata(let problem): "\(StatedConfigs.key) in the metadata: \(problem)"
    case .weightsOfFolder:
      "\(AdapterFolder.configName) is beside this file: its weights mean nothing without that config"
    case .otherFile: "the name ends like that of a Python pickle, which is never opened; expected a safetensors file"
    case .nothingToMerge: "no tensor in this file changes a model"

    case .missingFactor(let missing): "the other half, \(missing), is missing"
    case .oldOFT: "a tensor of OFT from before PEFT 0.16, whose parameters differ from those of OFT today"
    case .excluded(let other): "present next to \(other); expected only one of them"
    case .biasTwice(let other): "the same bias as \(other); expected only one of them"
    case .biasNotDeclared: "present, but \"lora_bias\" is not true in \(AdapterFolder.configName)"
    case .baseBiasNotDeclared: "present, but \"bias\" is \"none\" in \(AdapterFolder.configName)"
    case .diagonalNotDeclared: "present, but there is no \"kasa_config\" in \(AdapterFolder.configName)"
    case .magnitudeNotDeclared: "present, but \"use_dora\" is not true in \(AdapterFolder.configName)"
    case .variantNotDeclared(let field): "present, but \(AdapterFolder.configName) has no \"\(field)\""
    case .embeddingAndLinear: "the module has factors of an embedding and of another kind of layer"
    case .impossible(let field, let owner): "\"\(field)\" is set, which PEFT doesn't support for \(owner)"
    case .decomposition(let change, let owner):
      "\(change.rawValue) (\"\(change.field)\") changes the weights of linear layers, and this is \(owner)"
    case .blocksInBoth: "the module is in both lists of \"use_bdlora\"; expected one"
    case .blocksInNeither: "the module is in neither list of \"use_bdlora\", but match_strict requires one"
    case .blocks(let blocks, let name, let size):
      "\"use_bdlora\" has \(blocks) blocks, which do not divide the \(name) of \(size)"

    case .unknownContainer(let module):
      "inside \(module), which is not an updated attention block and has no updated parameters"
    case .nestedUpdate(let depth):
      "an update inside \(depth) other\(depth == 1 ? "" : "s") of the module, but \"target_parameters\" names no "
        + "parameter of it"
    case .parameterCount(let parameters, let depths):
      "\"target_parameters\" has \(parameters.count) parameters of this module (\(Self.list(parameters))); expected updates "
        + "with 0 to \(parameters.count - 1) \"base_layer\", found \(Self.numbers(depths))"
    case .vectorUnknown(let modules, let groups):
      "which of the \(groups) vectors tinylora_v belongs to which of the \(modules) modules follows from the order of the "
        + "modules in memory, which the file does not tell"
    case .parameterOrder(let parameters, let unknown):
      "ambiguous: it may belong to any of \(Self.list(parameters)), because the position of \"\(unknown)\" in the "
        + "module is unknown"

    case .originalAlone(let target): "a copy of the base's \(target), but the trained one is missing"
    case .missingSavedModules(let names):
      "\"modules_to_save\" lists \(Self.list(names)), but the file has no tensor of them"
    case .tokensNotDeclared:
      "token rows that \"trainable_token_indices\" in \(AdapterFolder.configName) does not list"
    case .tokensOfSeveral(let other):
      "\"trainable_token_indices\" is a single list for the input embedding, but there are rows of \(other) too"
    case .tokensNamedTwice(let one, let other):
      "\"trainable_token_indices\" lists it twice, as \"\(one)\" and as \"\(other)\""
    case .missingTokenRows(let owner):
      "\"trainable_token_indices\" lists tokens of \(owner), but its token_adapter.trainable_tokens_delta is missing"

    case .dtype(let dtype): "the dtype is \(dtype.name); expected F64, F32, F16, BF16, F8_E4M3 or F8_E5M2"
    case .shape(let expected, let found): "expected shape \(expected), found \(Self.text(found))"
    case .rank(let expected, let found, let shape, let field, let pattern):
      "expected rank \(expected) from \(pattern.map { "rank_pattern \"\($0)\"" } ?? "\"\(field)\""), found \(found) "
        + "in shape \(Self.text(shape))"
    case .expertRank(let rank, let found, let shape, let pattern):
      "expected a multiple of rank \(rank) from \(pattern.map { "rank_pattern \"\($0)\"" } ?? "\"r\""), found \(found) "
        + "in shape \(Self.text(shape))"
    case .noLayers: "no tensor of an adapted module in this file, but the config lists target modules"
    case .noTensors: "no tensors in this file"
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
