/// Which files beside the weights belong to a merged model, by name.
enum SideFileRules {
  /// A tokenizer and its chat template: taken together from one folder.
  static func isTokenizerFile(_ name: String) -> Bool {
    let names = [
      "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
      "vocab.txt", "merges.txt", "chat_template.jinja", "chat_template.json",
    ]
    return names.contains(name) || name.hasPrefix("tokenizer.model.v") || hasSuffix(name, [".model", ".tiktoken"])
  }

  static func isModelFile(_ name: String) -> Bool {
    let names = [
      "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
      "video_preprocessor_config.json", "audio_tokenizer_config.json", "modules.json",
      "config_sentence_transformers.json", "sentence_bert_config.json",
    ]
    let prefixes = ["LICENSE", "LICENCE", "NOTICE", "COPYING", "USE_POLICY"]
    return names.contains(name) || name.hasSuffix(".py") || prefixes.contains { name.hasPrefix($0) }
  }

  /// What is in a sub-folder that is copied: the ending of the files, and whether they belong to the tokenizer.
  static func subfolder(_ name: String) -> (suffix: String, isTokenizer: Bool)? {
    if name == "additional_chat_templates" { return (".jinja", true) }
    // sentence-transformers: 1_Pooling, 2_Dense, ...
    let digits = name.prefix { $0.isASCII && $0.isNumber }
    if !digits.isEmpty, name.dropFirst(digits.count).hasPrefix("_") { return ("config.json", false) }
    return nil
  }

  /// What a folder may hold and still be a model that `--force` replaces: weights, indexes, and what is copied.
  static func isPartOfAModel(_ name: String, isFolder: Bool) -> Bool {
    if isFolder { return subfolder(name) != nil }
    return isTokenizerFile(name) || isModelFile(name) || name == "README.md" || name == ".safemerge.json"
      || hasSuffix(name, [".safetensors", ".safetensors.index.json"])
  }

  static func isPartOfASubfolder(_ name: String, of folder: String) -> Bool {
    guard let subfolder = subfolder(folder) else { return false }
    return hasSuffix(name, [subfolder.suffix, ".safetensors"])
  }

  private static func hasSuffix(_ name: String, _ suffixes: [String]) -> Bool {
    suffixes.contains { name.hasSuffix($0) }
  }
}
