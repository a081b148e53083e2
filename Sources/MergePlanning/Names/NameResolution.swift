import Checkpoints
import Safetensors

/// A renaming by the user.
public struct NameMap: Sendable, Equatable {
  /// A regular expression, searched for in the names of the adapter's tensors as the live model has them, such as
  /// `model.layers.0.self_attn.q_proj.weight`.
  public let pattern: String
  /// What every match becomes; `\1` is what the first group took.
  public let replacement: String

  public init(pattern: String, replacement: String) {
    self.pattern = pattern
    self.replacement = replacement
  }
}

extension MergePlanner {
  /// What went wrong with a name, to be told with the adapter's key.
  typealias Resolution = Result<TensorPlacement, NameProblem>

  struct NameProblem: Error {
    let problem: PlanError.Problem
  }

  /// Finds a tensor by the name that an adapter has for it: as the user maps it; exactly; as transformers converts the
  /// base's names; as it converts the adapter's; with another beginning. Nil: the base has no such tensor.
  ///
  /// - Parameters:
  ///   - rows: Rows of the layer's update, which tell where a part lies that is not as large as its neighbours.
  ///   - experts: How many experts the layer has; nil: it is no stack.
  mutating func resolve(_ text: String, rows: Int?, experts: Int? = nil) -> Resolution? {
    let (mapped, map) = mapped(text)
    return search(mapped, rows: rows, experts: experts, map: map)
  }

  private mutating func search(_ mapped: String, rows: Int?, experts: Int?, map: String?) -> Resolution? {
    let name = TensorName(mapped)
    if let shape = shape(of: name) { return .success(whole(vocabulary.absent(name) ?? name, name, shape, rule: map)) }
    if let found = converted(mapped, rows: rows, experts: experts) { return found.map { $0.adding(map) } }
    if let found = fused(mapped) { return found.map { $0.adding(map) } }
    if let found = mambaProjection(mapped, rows: rows) { return found.map { $0.adding(map) } }
    if let found = expertStack(mapped, rows: rows, experts: experts) { return found.map { $0.adding(map) } }
    // Names with another beginning: all that the base has must be the same.
    var found: [TensorPlacement] = []
    var problem: NameProblem?
    for (variant, rule) in PrefixAliases.variants(mapped, modelPrefix: live().rules.modelPrefix) {
      let candidate = TensorName(variant)
      let resolution: Resolution?
      if let entry = baseTensors.entry(candidate) {
        resolution = .success(whole(candidate, candidate, entry.info.shape, rule: nil))
      } else if let absent = vocabulary.absent(candidate), let shape = shape(of: absent) {
        resolution = .success(whole(absent, candidate, shape, rule: nil))
      } else {
        resolution =
          converted(variant, rows: rows, experts: experts) ?? fused(variant)
          ?? mambaProjection(variant, rows: rows) ?? expertStack(variant, rows: rows, experts: experts)
      }
      switch resolution {
      case .success(let name)?:
        if !found.contains(where: { $0.parts == name.parts }) { found.append(name.adding(rule).adding(map)) }
      case .failure(let other)?: problem = problem ?? other
      case nil: break
      }
    }
    if found.count > 1 {
      let candidates = found.compactMap(\.parts.first?.tensor.string)
      return .failure(NameProblem(problem: .ambiguousName(target: mapped, candidates: candidates)))
    }
    if let first = found.first { return .success(first) }
    if let problem { return .failure(problem) }
    guard let other = SpellingRules.variant(mapped) else { return nil }
    return search(other.name, rows: rows, experts: experts, map: map.map { "\($0); \(other.rule)" } ?? other.rule)
  }

  /// The base's tensors by their live names: made when the first name is not the base's own.
  private mutating func live() -> RuntimeNames {
    if let runtimeNames { return runtimeNames }
    let made = RuntimeNames(baseTensors, config: base.config)
    runtimeNames = made
    return made
  }

  mutating func mapped(_ name: String) -> (name: String, rule: String?) {
    for (number, map) in nameMaps.enumerated() {
      guard name.firstMatch(of: map.regex) != nil else { continue }
      usedMaps.insert(number)
      let mapped = name.replacing(map.regex) { match in
        var text = map.map.replacement
        for (number, group) in match.output.dropFirst().enumerated() {
          text = text.replacing("\\\(number + 1)", with: group.substring ?? "")
        }
        return text
      }
      return (mapped, "map: \(map.map.pattern) = \(map.map.replacement)")
    }
    return (name, nil)
  }

  func whole(_ tensor: TensorName, _ live: TensorName, _ shape: [Int], rule: String?) -> TensorPlacement {
    // Of an empty tensor's dimensions no product may be formed.
    let rows = shape.contains(0) ? 0 : TensorUpdate.matrix(of: shape).rows
    return TensorPlacement(
      name: live, shape: shape,
      parts: [TensorPlacement.Part(tensor: tensor, runtimeRows: 0..<rows, row: 0, isTransposed: false)], rule: rule,
      whole: tensor)
  }

  /// By the table of transformers.
  mutating func converted(_ text: String, rows: Int?, experts: Int?) -> Resolution? {
    let name = TensorName(text)
    let live = live()
    let pieces = live.pieces(of: name)
    if !pieces.isEmpty { return assembled(name, pieces, experts: experts) }
    // The adapter may have the names that are on disk elsewhere, and the base those of the live model.
    let place = live.rules.live(text)
    guard !place.rule.isEmpty else { return nil }
    guard let part = place.part else {
      let other = TensorName(place.names[0])
      guard other != name else { return nil }
      if let shape = shape(of: other) { return .success(whole(other, name, shape, rule: place.rule)) }
      let pieces = live.pieces(of: other)
      return pieces.isEmpty ? nil : assembled(other, pieces, experts: experts)?.map { $0.adding(place.rule) }
    }
    let targets = place.names.map { TensorName($0) }
    if targets.count == 1, let target = targets.first {
      let same = live.pieces(of: target).filter { $0.place.part == part }
      if same.count == 1, let piece = same.first, let shape = shape(of: piece.tensor) {
        return .success(whole(piece.tensor, name, shape, rule: place.rule))
      }
      guard let shape = shape(of: target) else { return nil }
      return slice(of: target, shape, for: name, part, rows: rows, rule: place.rule)
    }
    return joined(name, targets, part, rule: place.rule)
  }
}
