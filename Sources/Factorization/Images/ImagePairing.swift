import AdapterConversion
import Checkpoints
import ImageModels
import Safetensors

/// The parameters of two image or video models side by side, and the tensors that no name of ComfyUI covers.
struct ImagePairing {
  private(set) var parameters: [ImageParameter] = []
  /// Tensors of the base without a name, with the tuned model's tensor that is the same one; nil: it has none.
  private(set) var others: [(base: TensorName, tuned: TensorName?)] = []
  /// Tensors that only the tuned model has.
  private(set) var added: [TensorName] = []
  /// Parameters of different shapes.
  private(set) var misshapen: [(base: ParameterRows, tuned: ParameterRows)] = []

  private let base: ImageSide
  private let tuned: ImageSide

  /// - Throws: ``FactorizationError`` for models that do not fit together.
  init(base: ImageSide, tuned: ImageSide) throws(FactorizationError) {
    self.base = base
    self.tuned = tuned
    let models = base.image.components.count { $0.kind == .diffusionModel }
    guard models <= 1 else {
      throw FactorizationError(
        path: base.model.path,
        .kind(
          "\(models) diffusion models in one pipeline",
          hint: "extract from one part of both, such as \(base.model.path)/transformer"))
    }
    let naming = ModuleNaming(dialect: .comfyUI, model: base.image)
    let matching = ParameterMatching(base.image, tuned.image)
    if let first = matching.ambiguous.left.first {
      throw FactorizationError(
        path: base.model.path,
        .kind(
          "several parts that may be the same, such as \(first.shortName)",
          hint: "extract from one part of both models"))
    }
    var covered = (base: RowCoverage(), tuned: RowCoverage())
    for (number, component) in base.image.components.enumerated() {
      guard let match = matching.matches.first(where: { $0.left == component }),
        let other = tuned.image.components.firstIndex(of: match.right)
      else { continue }
      let scheme = naming.scheme(of: number)
      let found = Dictionary(tuned.image.parameters(of: other, in: scheme).map { ($0.name, $0) }) { first, _ in first }
      for one in base.image.parameters(of: number, in: scheme) {
        guard let two = found[one.name], base.has(one), tuned.has(two) else { continue }
        // Of names for the same rows the first counts.
        guard !covered.base.overlaps(one), !covered.tuned.overlaps(two) else { continue }
        covered.base.add(one)
        covered.tuned.add(two)
        guard one.shape == two.shape else {
          misshapen.append((one, two))
          continue
        }
        parameters.append(ImageParameter(one, two) { naming.name(number, $0) })
      }
    }
    addOthers(covered.base, covered.tuned, matching)
  }

  private mutating func addOthers(
    _ covered: RowCoverage, _ coveredOfTuned: RowCoverage, _ matching: ParameterMatching
  ) {
    var left = tuned.tensors.filter { !coveredOfTuned.has(all: $0, of: tuned.rowCount(of: $0)) }
    let known = Set(tuned.tensors)
    // Parts that no adapter changes, such as a VAE, may have other names.
    let pairs = matching.pairs.filter { $0.left.isWhole && $0.right.isWhole }
    let matches = Dictionary(
      pairs.compactMap { pair in pair.left.tensor.flatMap { left in pair.right.tensor.map { (left, $0) } } }
    ) { first, _ in first }
    for tensor in base.tensors where !covered.has(all: tensor, of: base.rowCount(of: tensor)) {
      let same = known.contains(tensor) ? tensor : matches[tensor]
      others.append((tensor, same))
      if let same { left.removeAll { $0 == same } }
    }
    added = left
  }
}
