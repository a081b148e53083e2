import Checkpoints
import JSONText
import Platform
import Safetensors

/// A change of config.json that a merge needs so that the result loads as what it is.
public enum ConfigEdit: Sendable, Equatable {
  /// `tie_word_embeddings` of the object at this path becomes false, and wherever its text model's section has it.
  case untie([String])
  /// `vocab_size`, under whatever of its names, changes wherever it has the old value.
  case vocabulary(from: Int, to: Int)
  /// `num_hidden_layers`, under whatever of its names, and lists with an entry a layer.
  case layers(sources: [Int])
  /// `dtype` or `torch_dtype`, wherever it stands.
  case dtype(String)

  /// The model has a head of this kind, `ForSequenceClassification` say, with so many labels (nil: it has none), and is of
  /// this class (nil: of its own with another ending).
  case head(class: String?, kind: String, labels: Int?)
  /// `transformers_weights`, the file that has the weights or the index.
  case weights(String)

  /// These modules are numbers beside quantized ones, in the list under `key` of the object at `path`.
  case notQuantized(path: [String], key: String, modules: [String])
  /// Nothing is quantized any more.
  case unquantized

  /// The change in words.
  var summary: String {
    switch self {
    case .untie: "tie_word_embeddings is false"
    case .vocabulary(let old, let new): "vocab_size is \(new), was \(old)"
    case .layers(let sources): "the model has \(sources.count) layers"
    case .head(_, let kind, let labels):
      "architectures ends in \(kind)" + (labels.map { ", with \($0) labels" } ?? "")
    case .dtype(let name): "dtype is \(name)"
    case .notQuantized(let path, let key, let modules):
      "\(path.joined(separator: ".")).\(key) lists \(NumberText.counted(modules.count, "module"))"
    case .unquantized: "quantization_config is removed"
    case .weights(let name): "transformers_weights is \(name)"
    }
  }

  /// Applies edits to the text of config.json; every other byte stays.
  static func apply(_ edits: [ConfigEdit], to bytes: [UInt8]) throws(JSONError) -> [UInt8] {
    var editor = try JSONEditor(bytes)
    let config = try JSONParser.parseLenient(bytes.span)
    for edit in edits {
      switch edit {
      case .untie(let section):
        for path in try editor.paths(to: "tie_word_embeddings")
        where Array(path.dropLast()) == section + ["text_config"] {
          _ = try editor.replace(path, with: "false")
        }
        try editor.set("tie_word_embeddings", in: section, to: "false")
      case .vocabulary(let old, let new):
        for key in ModelConfig.vocabularyKeys {
          for path in try editor.paths(to: key) where config[path] == .integer(Int64(old)) {
            _ = try editor.replace(path, with: String(new))
          }
        }
      case .layers(let sources):
        for key in ["num_hidden_layers", "n_layer", "num_layers"] {
          for path in try editor.paths(to: key) { _ = try editor.replace(path, with: String(sources.count)) }
        }
        try replicateLists(config, sources, &editor)
      case .head(let name, let kind, let labels):
        try setHead(name, kind, labels, config, &editor)
      case .notQuantized(let path, let key, let modules):
        var writer = JSONWriter()
        writer.value(.array(modules.map { .string($0) }))
        try editor.set(key, in: path, to: String(decoding: writer.bytes, as: UTF8.self))
      case .unquantized:
        for section in ModelConfig.quantizationSections { _ = try editor.remove("quantization_config", in: section) }
        // MLX's own name for it.
        if config["quantization"]?["bits"] != nil { _ = try editor.remove("quantization") }
      case .weights(let name):
        var writer = JSONWriter()
        writer.value(name)
        _ = try editor.replace(["transformers_weights"], with: String(decoding: writer.bytes, as: UTF8.self))
      case .dtype(let name):
        for key in ["dtype", "torch_dtype"] {
          for path in try editor.paths(to: key) {
            if case .string = config[path] { _ = try editor.replace(path, with: "\"\(name)\"") }
          }
        }
      }
    }
    return editor.bytes
  }

  /// `LlamaForCausalLM` becomes `LlamaForSequenceClassification`; labels get the names that transformers gives them.
  private static func setHead(
    _ className: String?, _ kind: String, _ labels: Int?, _ config: JSONValue, _ editor: inout JSONEditor
  ) throws(JSONError) {
    if case .array(let names)? = config["architectures"], case .string(let name)? = names.first {
      let end = name.lastIndex(ofASCII: "For") ?? name.lastIndex(ofASCII: "Model") ?? name.endIndex
      _ = try editor.replace(["architectures"], with: "[\"\(className ?? name[..<end] + kind)\"]")
    }
    guard let labels else { return }
    let names = (0..<labels).map { "LABEL_\($0)" }
    let byNumber = names.enumerated().map { "\"\($0)\": \"\($1)\"" }.joined(separator: ", ")
    let byName = names.enumerated().map { "\"\($1)\": \($0)" }.joined(separator: ", ")
    try editor.set("id2label", to: "{\(byNumber)}")
    try editor.set("label2id", to: "{\(byName)}")
  }

  /// Lists such as `layer_types`, which say something of every layer.
  private static func replicateLists(
    _ config: JSONValue, _ sources: [Int], _ editor: inout JSONEditor
  ) throws(JSONError) {
    for path in try editor.paths(to: "layer_types") {
      guard case .array(let entries)? = config[path], let last = sources.max(), last < entries.count else {
        continue
      }
      var writer = JSONWriter()
      writer.value(.array(sources.map { entries[$0] }))
      _ = try editor.replace(path, with: String(decoding: writer.bytes, as: UTF8.self))
    }
  }
}

extension String {
  /// Where `part` last begins; nil if it does not occur. Class names are ASCII.
  fileprivate func lastIndex(ofASCII part: String) -> Index? {
    indices.last { self[$0...].hasPrefix(part) }
  }
}
