import Safetensors

/// The words of ``AdapterError``.
extension AdapterError {
  public var message: String { problem.message }

  public var hint: String? {
    switch problem {
    case .file(let error): error.hint
    case .missingFile(_, let folders):
      folders.isEmpty ? nil : "adapters lie in its folders \(Problem.list(folders)): name one of them"
    case .notAFolder: "name the folder that holds \(AdapterFolder.configName) and \(AdapterFolder.weightsName)"
    case .pickle:
      "load it with torch.load(..., weights_only=True) and write it as \(AdapterFolder.weightsName) "
        + "with safetensors.torch.save_file"
    case .unsupportedField(_, _, _, let hint): hint
    case .keyWithAdapterName, .keyPrefix, .keyDoubledPrefix: "save the adapter with PEFT's save_pretrained"
    case .biasNotDeclared: "a trained bias belongs to an adapter with \"lora_bias\": true"
    default: nil
    }
  }
}

extension AdapterError.Problem {
  fileprivate var message: String {
    switch self {
    case .system(let call, let code): "\(call): \(SystemCalls.text(of: code))"
    case .file(let error): error.message
    case .notAFolder: "is a file; an adapter is a folder"
    case .missingFile(let name, _): "no \(name) in this folder"
    case .pickle: "the weights are a Python pickle, which is never opened; \(AdapterFolder.weightsName) expected"

    case .configTooLarge(let byteCount, let limit): "has \(byteCount) bytes; at most \(limit) are allowed"
    case .configNotJSON(let error): "not valid JSON: \(error)"
    case .configNotAnObject(let found): "an object expected, found \(found)"
    case .peftType(let found):
      found.map { "\"peft_type\" is \($0): only \"LORA\" is supported" }
        ?? "\"peft_type\" is missing: \"LORA\" expected"
    case .fieldType(let field, let expected, let found): "\"\(field)\" is \(found): \(expected) expected"
    case .unsupportedField(let field, let value, let reason, _): "\"\(field)\" is \(value): \(reason)"
    case .unknownField(let field, let value):
      "\"\(field)\" is \(value): an unknown field may change the result; only null is allowed"
    case .pattern(let field, let key, let problem): "\"\(field)\": pattern \"\(key)\": \(problem)"
    case .patterns(let field, let problem): "\"\(field)\": \(problem)"

    case .keyPrefix(let expected): "the name does not begin with \"\(expected)\""
    case .keyDoubledPrefix(let prefix): "the name begins twice with \"\(prefix)\""
    case .keyWithAdapterName(let name): "the name holds the adapter's name \"\(name)\", which saving takes out"
    case .keyWithoutModule: "the name has no module"
    case .unsupportedKey(let feature): "belongs to \(feature), which is not supported yet"
    case .unknownKey:
      "unknown kind of tensor; lora_A.weight, lora_B.weight, lora_B.bias or lora_bias of a module expected"

    case .missingHalf(let missing): "one half missing: there is no \(missing)"
    case .biasTwice(let other): "the same bias as \(other): one of the two expected"
    case .biasNotDeclared: "is there although \"lora_bias\" is not true in \(AdapterFolder.configName)"
    case .dtype(let dtype): "dtype \(dtype.name); F32, F16 or BF16 expected"
    case .convolution(let shape):
      "shape \(Self.text(shape)): LoRA on a convolution is not supported yet; two dimensions expected"
    case .shape(let expected, let found): "shape \(expected) expected, found \(Self.text(found))"
    case .rank(let expected, let found, let shape, let pattern):
      "rank \(expected) expected from \(pattern.map { "rank_pattern \"\($0)\"" } ?? "\"r\""), found \(found) "
        + "in shape \(Self.text(shape))"
    case .noLayers: "has no tensors: this adapter changes nothing"
    }
  }

  private static func text(_ shape: [Int]) -> String { "(\(shape.map(String.init).joined(separator: ", ")))" }

  fileprivate static func list(_ names: [String]) -> String {
    let shown = names.prefix(5).map { "\"\($0)\"" }.joined(separator: ", ")
    return names.count > 5 ? "\(shown) and \(names.count - 5) more" : shown
  }
}
