import Safetensors

/// The parameters that two image models both have, whatever they call them and in whatever tensors they have them.
///
/// Components are matched by what they are for and by their architecture. Their parameters are matched by the names of diffusers, which
/// never join what a native spelling has apart, unless both have the same kind of names.
package struct ParameterMatching: Sendable {
  /// A parameter of both. The rows of either are of one tensor.
  package struct Pair: Sendable, Equatable {
    package let left: ParameterRows
    package let right: ParameterRows
  }

  /// Two components that are the same part of a model.
  package struct Match: Sendable, Equatable {
    package let left: Component
    package let right: Component
    /// What the diffusion model's architecture is called; nil: of another model, or not known.
    package let architecture: String?
  }

  /// In the order of the left model's components and their tensors.
  package private(set) var pairs: [Pair] = []
  package private(set) var matches: [Match] = []
  /// Components of the left model that may be several of the right one's, or of which several may be one of them, with those of the
  /// right model.
  package private(set) var ambiguous: (left: [Component], right: [Component]) = ([], [])

  package init(_ left: ImageModel, _ right: ImageModel) {
    let (ones, others) = (left.parts + left.autoencoders, right.parts + right.autoencoders)
    let candidates = ones.map { one in Self.candidates(for: one, among: others) }
    for (number, found) in candidates.enumerated() {
      guard let first = found.first else { continue }
      guard found.count == 1, candidates.count(where: { $0.contains(first) }) == 1 else {
        ambiguous.left.append(ones[number].component)
        ambiguous.right += found.map { others[$0].component }.filter { !ambiguous.right.contains($0) }
        continue
      }
      let (one, other) = (ones[number], others[first])
      let isModel = one.component.kind == .diffusionModel
      matches.append(
        Match(
          left: one.component, right: other.component,
          architecture: isModel ? one.spellings.architecture?.name : nil))
      pairs += Self.pairs(one, other)
    }
  }

  /// The components that may be the same part as this one.
  private static func candidates(for one: ComponentNames, among others: [ComponentNames]) -> [Int] {
    let found = others.indices.filter { isSame(one, others[$0]) }
    let sameFolder = found.filter { one.component.folder != nil && others[$0].component.folder == one.component.folder }
    return sameFolder.isEmpty ? found : sameFolder
  }

  private static func isSame(_ one: ComponentNames, _ other: ComponentNames) -> Bool {
    guard one.spellings.architecture?.name == other.spellings.architecture?.name else { return false }
    if case .other = one.component.kind, case .other = other.component.kind { return true }
    return one.component.kind == other.component.kind
  }

  private static func pairs(_ one: ComponentNames, _ other: ComponentNames) -> [Pair] {
    let schemes = [one.component.scheme, other.component.scheme]
    let scheme = schemes.contains(.diffusers) && schemes[0] != schemes[1] ? .diffusers : schemes[0]
    let isLanguageModel = if case .other = one.component.kind { true } else { false }
    // Transformers has moved the layers of language models below `model.` and back.
    func key(_ name: String) -> Substring {
      isLanguageModel && name.hasPrefix("model.") ? name.dropFirst("model.".count) : name[...]
    }
    let right = Dictionary(other.parameters(in: scheme).map { (key($0.name), $0) }) { first, _ in first }
    return one.parameters(in: scheme).compactMap { left in
      guard let right = right[key(left.name)], left.tensor != nil, right.tensor != nil else { return nil }
      return Pair(left: left, right: right)
    }
  }
}
