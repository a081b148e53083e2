import Checkpoints
import JSONText

/// What is known of model classes by ``TieTable`` and ``RemoteTies``, and what a config.json makes of it.
///
/// Lines of the table:
/// - `class NAMES PREFIX EMBEDDING HEAD`: base_model_prefix, the module of the input embedding and of the head, "." for none;
///   then `+` where the same value of the configuration does more than to tie embeddings and heads; `=` where the head is the
///   embedding's module and can be nothing else; groups of parameters that are one, the kept one first, as names with
///   commas; `path:key:class` for a model inside that has a configuration of its own under `key`; and `NAME=NAME` for two other
///   parameters that are one (``TwinParameters``).
/// - `class:KEY ...`, `class:!KEY ...`: the same for a configuration whose KEY is true or not 0, or is false, where that makes it
///   another model than the default.
/// - `tie VALUES TYPES`: whether configurations of these model types tie, one digit for each of: the key absent, true, false at
///   the top, each for the text model's section not tied and tied. Types without a line never tie.
/// - `text TYPE TYPES`: the type of the text model's section where it does not say it.
/// - `auto KIND TYPE:CLASS`: what the Auto classes make of a model type.
struct TieRules: Sendable {
  struct ModelClass: Sendable {
    let prefix: String
    let embedding: String?
    let head: String?
    /// Whether an untied configuration would untie more than embeddings and heads, or computes otherwise.
    let tiesOthers: Bool
    /// Whether the head can be nothing but the embedding.
    let isInseparable: Bool
    let groups: [[String]]
    let parts: [(path: String, key: String, class: String)]
    let twins: [TwinParameters.Pair]
    /// Whether transformers has the class: what it makes of an absent key is then known.
    let isNative: Bool
  }

  /// A key of config.json, and what its value must be.
  private struct Condition {
    let key: String
    let isSet: Bool

    init(_ text: Substring) {
      isSet = !text.hasPrefix("!")
      key = String(isSet ? text : text.dropFirst())
    }

    func holds(in config: JSONValue?) -> Bool {
      switch config?[key] {
      case .bool(let value)?: value == isSet
      case .integer(let value)?: isSet && value != 0
      default: false
      }
    }
  }

  private(set) var classes: [String: ModelClass] = [:]
  private var variants: [String: [(condition: Condition, model: ModelClass)]] = [:]
  private var values: [String: [Bool]] = [:]
  private var textTypes: [String: String] = [:]
  private var autos: [String: [String: String]] = [:]

  static let shared = TieRules(native: TieTable.text, remote: RemoteTies.text)

  init(native: String, remote: String) {
    for line in remote.split(separator: "\n") { add(line, isNative: false) }
    for line in native.split(separator: "\n") { add(line, isNative: true) }
  }

  private mutating func add(_ line: Substring, isNative: Bool) {
    let words = line.split(separator: " ").map(String.init)
    guard words.count > 2 else { return }
    let kind = words[0].split(separator: ":")
    switch kind[0] {
    case "class":
      guard words.count > 4 else { return }
      func module(_ word: String) -> String? { word == "." ? nil : word }
      var groups: [[String]] = []
      var parts: [(path: String, key: String, class: String)] = []
      var twins: [TwinParameters.Pair] = []
      for word in words.dropFirst(5) where word != "+" && word != "=" {
        let fields = word.split(separator: ":").map(String.init)
        if fields.count == 3 {
          parts.append((fields[0], fields[1], fields[2]))
        } else if let pair = TwinParameters.Pair(word) {
          twins.append(pair)
        } else {
          groups.append(word.split(separator: ",").map(String.init))
        }
      }
      let model = ModelClass(
        prefix: module(words[2]) ?? "", embedding: module(words[3]), head: module(words[4]),
        tiesOthers: words.contains("+"), isInseparable: words.contains("="), groups: groups, parts: parts,
        twins: twins, isNative: isNative)
      for name in words[1].split(separator: ",").map(String.init) {
        if kind.count > 1 {
          variants[name, default: []].append((Condition(kind[1]), model))
        } else {
          classes[name] = model
        }
      }
    case "tie": for type in words.dropFirst(2) { values[type] = words[1].map { $0 == "1" } }
    case "text": for type in words.dropFirst(2) { textTypes[type] = words[1] }
    case "auto":
      for word in words.dropFirst(2) {
        let fields = word.split(separator: ":").map(String.init)
        if fields.count == 2 { autos[words[1], default: [:]][fields[0]] = fields[1] }
      }
    default: break
    }
  }

  /// The entry of a class for a configuration; nil if no table has the class.
  func model(_ name: String, _ config: JSONValue?) -> ModelClass? {
    variants[name]?.first { $0.condition.holds(in: config) }?.model ?? classes[name]
  }

  /// The class that an Auto class makes of a model type; nil if there is none.
  func auto(_ kind: String, _ type: String?) -> String? { type.flatMap { autos[kind]?[$0] } }

  /// Whether a configuration ties.
  ///
  /// - Parameters:
  ///   - type: The model type if the section does not state it.
  ///   - asks: The value to assume for the section; nil for the section's own value.
  func ties(_ config: JSONValue?, type: String? = nil, asks: Bool? = nil) -> Bool {
    guard let type = ModelConfig.family(config) ?? type, let values = values[type] else { return false }
    let text = config?["text_config"]
    var inner = false
    if asks != nil {
      inner = asks ?? false
    } else if text != nil || textTypes[type] != nil {
      inner = ties(text, type: textTypes[type])
    }
    let top: Int
    switch (asks, config?["tie_word_embeddings"]) {
    case (let asked?, _): top = asked ? 1 : 2
    case (nil, nil): top = 0
    case (nil, .bool(true)?): top = 1
    default: top = 2
    }
    return values[top * 2 + (inner ? 1 : 0)]
  }
}
