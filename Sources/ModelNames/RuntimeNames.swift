import JSONText
import Safetensors

/// The base's tensors by the names that the runtime model has for them.
///
/// An adapter names what is in memory. A checkpoint may have other names, a tensor for each expert, or one for several
/// projections. The names on disk are converted as transformers converts them when it loads a model, and looked up by what
/// they become.
struct RuntimeNames {
  /// One tensor on disk as part of a runtime tensor.
  struct Piece {
    let tensor: TensorName
    /// Which of the runtime tensors that it holds.
    let target: Int
    let place: ConversionRules.RuntimePlace
  }

  let rules: ConversionRules
  private let pieces: [TensorName: [Piece]]
  private let names: [TensorName: TensorName]

  init(_ tensors: [TensorName], config: JSONValue?) {
    let rules = ConversionRules(config: config, names: tensors.map(\.string))
    var pieces: [TensorName: [Piece]] = [:]
    var names: [TensorName: TensorName] = [:]
    for name in tensors {
      let place = rules.runtimePlace(of: name.string)
      guard !place.rule.isEmpty else { continue }
      for (target, runtime) in place.names.enumerated() {
        pieces[TensorName(runtime), default: []].append(Piece(tensor: name, target: target, place: place))
      }
      if place.part == nil { names[name] = TensorName(place.names[0]) }
    }
    self.rules = rules
    self.pieces = pieces
    self.names = names
  }

  /// The tensors on disk that make up a runtime tensor of another name, in the order of their names.
  func pieces(of runtime: TensorName) -> [Piece] { (pieces[runtime] ?? []).sorted { $0.tensor < $1.tensor } }

  /// The runtime name of a tensor on disk that has another one and is the whole of it.
  func runtimeName(of tensor: TensorName) -> TensorName? { names[tensor] }
}
