import JSONText
import Safetensors

/// The base's tensors by the names that the live model has for them.
///
/// An adapter names what is in memory; a checkpoint may have other names, an expert a tensor, or the projections of an
/// attention as one. The names on disk are converted as transformers converts them when it loads a model, and found by
/// what they become: no name is ever compared by likeness.
struct RuntimeNames {
  /// One tensor on disk as part of a live one.
  struct Piece {
    let tensor: TensorName
    /// Which of the live tensors that it holds.
    let target: Int
    let place: ConversionRules.RuntimePlace
  }

  let rules: ConversionRules
  private let pieces: [TensorName: [Piece]]
  private let names: [TensorName: TensorName]

  init(_ base: BaseTensors, config: JSONValue?) {
    let rules = ConversionRules(config: config, names: base.names.map(\.string))
    var pieces: [TensorName: [Piece]] = [:]
    var names: [TensorName: TensorName] = [:]
    for name in base.names {
      let place = rules.live(name.string)
      guard !place.rule.isEmpty else { continue }
      for (target, live) in place.names.enumerated() {
        pieces[TensorName(live), default: []].append(Piece(tensor: name, target: target, place: place))
      }
      if place.part == nil { names[name] = TensorName(place.names[0]) }
    }
    self.rules = rules
    self.pieces = pieces
    self.names = names
  }

  /// The tensors on disk that make up a live one of another name, in the order of their names.
  func pieces(of live: TensorName) -> [Piece] { (pieces[live] ?? []).sorted { $0.tensor < $1.tensor } }

  /// The live name of a tensor on disk that has another and is the whole of it.
  func runtimeName(of tensor: TensorName) -> TensorName? { names[tensor] }
}

/// Beginnings of names that stand for each other in checkpoints and adapters of one model: the text model alone or in one
/// for text and images, with or without the head, by older and newer releases.
enum PrefixAliases {
  private static let text = [
    "", "model.", "model.model.", "language_model.", "language_model.model.", "model.language_model.",
    "model.language_model.model.", "model.text_model.", "text_model.", "backbone.", "transformer.", "gpt_neox.",
    "thinker.model.", "llm.", "model.llm.", "decoder.", "model.decoder.",
    // NeMo Automodel's encoders for queries and passages, which are one model.
    "lm_q.", "lm_q.model.",
  ]
  private static let encoders = ["bert.", "roberta.", "distilbert.", "electra.", "deberta.", "vit.", "encoder."]

  /// Other names for the same tensor, the longest beginning that it has exchanged first, each once.
  static func variants(_ name: String, modelPrefix: String?) -> [(name: String, rule: String)] {
    let own = [modelPrefix].compactMap { $0 }
    let prefixes = text + encoders + own.filter { !text.contains($0) && !encoders.contains($0) }
    var seen: Set<String> = [name]
    var variants: [(name: String, rule: String)] = []
    for old in prefixes.sorted(by: { ($1.utf8.count, $0) < ($0.utf8.count, $1) }) where name.hasPrefix(old) {
      for new in prefixes where new != old {
        let variant = new + name.dropFirst(old.count)
        guard seen.insert(variant).inserted else { continue }
        variants.append((variant, "prefix: \(old.isEmpty ? "(none)" : old) > \(new.isEmpty ? "(none)" : new)"))
      }
    }
    return variants
  }
}
