import JSONText
import Platform

/// The files of a tokenizer, and which of the base's files an adapter's tokenizer replaces.
enum TokenizerFiles {
  static let templateFolder = "additional_chat_templates"
  static let configName = "tokenizer_config.json"
  static let templateName = "chat_template.jinja"
  private static let templateNames = [templateName, "chat_template.json"]
  private static let readByteCount = 64 << 20

  /// Whether a file of this name, directly in a model's folder, is a part of its tokenizer.
  static func isOne(_ name: String) -> Bool {
    let names = [
      "tokenizer.json", configName, "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt",
      "merges.txt",
      "bpe.codes", "tekken.json", "dict.txt",
    ]
    return names.contains(name) || templateNames.contains(name) || name.hasPrefix("tokenizer.model.v")
      || [".model", ".tiktoken", ".spm"].contains { name.hasSuffix($0) }
  }

  /// Whether a folder with these entries has a tokenizer or a chat template of its own.
  static func areIn(_ entries: [String]) -> Bool {
    [configName, "tokenizer.json", templateName].contains(where: entries.contains)
  }

  /// The tokenizer beside an adapter, read as far as needed to know which of the base's files it replaces.
  ///
  /// A file replaces the base's file of the same name. Some replace files of other names: a chat template in any file,
  /// since `chat_template.jinja` wins over `tokenizer_config.json`; a vocabulary without `tokenizer.json`, over which
  /// the base's would win; and `special_tokens_map.json` and `added_tokens.json` of the base, which transformers 5.24
  /// lets override the adapter's settings, where they contradict these.
  struct Replacement {
    let names: Set<String>
    private let config: JSONValue?
    private let tokens: [(text: String, id: Int64)]

    init(folder: String, names: Set<String>) {
      self.names = names
      config = names.contains(configName) ? TokenizerFiles.read(Paths.join(folder, configName)) : nil
      let tokenizer =
        names.contains("tokenizer.json") ? TokenizerFiles.addedTokens(Paths.join(folder, "tokenizer.json")) : []
      tokens = tokenizer
    }

    /// Whether the adapter has a chat template, in any file.
    var hasTemplate: Bool {
      config?["chat_template"].map { $0 != .null } == true
        || names.contains { templateNames.contains($0) || $0.hasPrefix(templateFolder + "/") }
    }

    /// Whether a file that only the base's tokenizer has would override one of the adapter's files.
    func overrules(_ name: String, at path: String) -> Bool {
      if templateNames.contains(name) || name.hasPrefix(templateFolder + "/") { return hasTemplate }
      switch name {
      case "tokenizer.json":
        return names.contains { $0.hasSuffix(".model") || ["vocab.json", "vocab.txt"].contains($0) }
      case "special_tokens_map.json": return contradictsConfig(path)
      case "added_tokens.json": return contradictsTokens(path)
      default: return false
      }
    }

    private func contradictsConfig(_ path: String) -> Bool {
      guard let config, case .object(let members)? = TokenizerFiles.read(path) else { return false }
      return members.contains { member in
        guard let own = config[member.key], own != .null else { return false }
        return TokenizerFiles.tokenText(own) != TokenizerFiles.tokenText(member.value)
      }
    }

    private func contradictsTokens(_ path: String) -> Bool {
      guard !tokens.isEmpty, case .object(let members)? = TokenizerFiles.read(path) else { return false }
      return members.contains { member in
        guard case .integer(let id) = member.value else { return false }
        return tokens.contains { ($0.text == member.key) != ($0.id == id) }
      }
    }
  }

  /// The chat templates in a `tokenizer_config.json`, as the files in which transformers keeps them outside of it.
  static func templates(inConfig path: String) -> [(name: String, text: String)] {
    switch read(path)?["chat_template"] {
    case .string(let text)?: return [(templateName, text)]
    case .array(let templates)?:
      return templates.compactMap { template in
        guard case .string(let name)? = template["name"], case .string(let text)? = template["template"],
          Paths.components(name).count == 1, !name.isEmpty
        else { return nil }
        return (name == "default" ? templateName : Paths.join(templateFolder, name + ".jinja"), text)
      }
    default: return []
    }
  }

  private static func read(_ path: String) -> JSONValue? {
    guard let bytes = try? BoundedFile.read(path, limit: readByteCount) else { return nil }
    return try? JSONParser.parse(bytes.span)
  }

  private static func addedTokens(_ path: String) -> [(text: String, id: Int64)] {
    guard let bytes = try? BoundedFile.read(path, limit: TokenizerFile.largestByteCount) else { return [] }
    return (try? TokenizerFile.addedTokens(bytes.span)) ?? []
  }

  /// A token is a string, or an object that holds it.
  private static func tokenText(_ value: JSONValue) -> JSONValue {
    if case .object = value, let content = value["content"] { content } else { value }
  }
}
