import JSONText
import MergePlanning
import Platform
import Safetensors

/// Compares the sizes in config.json with the shapes of the tensors.
struct ConfigInspection {
  let config: JSONValue

  /// Compares config.json with the shapes of the tensors, where one surely follows from the other: a language model whose
  /// input embedding is known by its name.
  func inspect(_ vocabulary: VocabularyTensors, _ shapes: [TensorName: [Int]], _ log: inout FindingLog) {
    guard let embedding = vocabulary.embedding, let shape = shapes[embedding], shape.count == 2 else { return }
    // Multimodal models have the sizes of the language model in a section of config.json.
    let section: JSONValue
    if case .object? = config["text_config"] { section = config["text_config"] ?? config } else { section = config }
    let key = ["vocab_size", "padded_vocab_size", "n_words"].first { integer(section, $0) != nil }
    // Every tensor of the vocabulary is compared: a head of another size does not load, although the embedding does.
    for name in [embedding] + (vocabulary.group(of: embedding)?.present.filter { $0 != embedding } ?? []) {
      guard let key, let rows = shapes[name]?.first else { continue }
      // An encoder and a decoder may have different vocabularies, as in Marian.
      if ["decoder_vocab_size", "tgt_vocab_size"].contains(where: { integer(section, $0) == rows }) { continue }
      if let size = integer(section, key), rows - size == FamilyRows.added(to: section) { continue }
      compare(key, section, with: rows, of: name, "rows", &log)
    }
    // Some families have an embedding of another width and project it.
    let ownWidths = ["embedding_size", "input_embedding_size", "word_embed_proj_dim", "embedding_dim", "emb_dim"]
    let hasOwnWidth = ownWidths.contains { integer(section, $0) != nil }
    let width = ["hidden_size", "n_embd"].first { integer(section, $0) != nil }
    if let width, !hasOwnWidth { compare(width, section, with: shape[1], of: embedding, "columns", &log) }
    inspectLayers(section, embedding, shapes, &log)
  }

  private func integer(_ section: JSONValue, _ key: String) -> Int? {
    if case .integer(let value)? = section[key] { Int(value) } else { nil }
  }

  private func compare(
    _ key: String, _ section: JSONValue, with found: Int, of tensor: TensorName, _ what: String,
    _ log: inout FindingLog
  ) {
    guard let expected = integer(section, key), expected != found else { return }
    log.find(
      "config", "config.json", tensor: tensor,
      "has \(NumberText.grouped(found)) \(what), but \(key) is \(NumberText.grouped(expected))")
  }

  private func inspectLayers(
    _ section: JSONValue, _ embedding: TensorName, _ shapes: [TensorName: [Int]], _ log: inout FindingLog
  ) {
    let parts = embedding.string.split(separator: ".", omittingEmptySubsequences: false)
    let model = parts.dropLast(2).map { $0 + "." }.joined()
    guard
      let list = ["layers.", "h."].map({ model + $0 }).first(where: { list in
        shapes.keys.contains { $0.string.hasPrefix(list) }
      })
    else { return }
    var numbers: Set<Int> = []
    for name in shapes.keys where name.string.hasPrefix(list) {
      if let number = Int(name.string.dropFirst(list.count).prefix { $0 != "." }) { numbers.insert(number) }
    }
    if let key = ["num_hidden_layers", "n_layer"].first(where: { integer(section, $0) != nil }),
      let expected = integer(section, key), expected >= 0
    {
      // Pruning may have removed all of a layer.
      let mayBeEmpty = section["block_configs"] != nil
      if !mayBeEmpty, let missing = (0..<min(expected, 1 << 16)).first(where: { !numbers.contains($0) }) {
        log.find("config", "config.json", "layer \(missing) has no tensors, but \(key) is \(expected)")
      }
      // Layers for the prediction of several tokens follow the others, and are not counted.
      if let most = numbers.max(), most >= expected, !predictsSeveralTokens(section) {
        log.find("config", "config.json", "\(list)\(most) has tensors, but \(key) is \(expected)")
      }
    }
    if let expected = integer(section, "intermediate_size") {
      for number in numbers.sorted() {
        let name = TensorName("\(list)\(number).mlp.gate_proj.weight")
        guard let shape = shapes[name], shape.count == 2, shape[0] != expected, isPlainFamily(section) else { continue }
        log.find(
          "config", "config.json", tensor: name,
          "has \(NumberText.grouped(shape[0])) rows, but intermediate_size is \(NumberText.grouped(expected))")
        break
      }
    }
    guard isPlainFamily(section), let heads = integer(section, "num_attention_heads"), heads > 0,
      let width = integer(section, "hidden_size")
    else { return }
    let size = integer(section, "head_dim") ?? width / heads
    let keys = integer(section, "num_key_value_heads") ?? heads
    for number in numbers.sorted() {
      for (leaf, count) in [("q_proj", heads), ("k_proj", keys), ("v_proj", keys)] {
        let name = TensorName("\(list)\(number).self_attn.\(leaf).weight")
        guard let shape = shapes[name], shape.count == 2, shape[0] != count * size else { continue }
        log.find(
          "config", "config.json", tensor: name,
          "has \(NumberText.grouped(shape[0])) rows, but \(count) heads of size \(size) need "
            + NumberText.grouped(count * size))
        return
      }
    }
  }

  private func predictsSeveralTokens(_ section: JSONValue) -> Bool {
    guard case .object(let members) = section else { return false }
    return members.contains { $0.key.contains("nextn") || $0.key.contains("mtp") }
  }

  /// Families in which every layer has the sizes in config.json.
  private func isPlainFamily(_ section: JSONValue) -> Bool {
    guard case .string(let family)? = section["model_type"] ?? config["model_type"] else { return false }
    return ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2"].contains(family)
  }
}
