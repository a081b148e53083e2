import Adapters
import JSONText
import Safetensors

/// Where a tensor that an adapter names lies in the base.
struct ResolvedName: Equatable {
  /// Rows of a tensor of the base that hold rows of the live one.
  struct Part: Equatable {
    let tensor: TensorName
    /// Of the live tensor as a matrix.
    let liveRows: Range<Int>
    /// The row of the base's tensor where they begin.
    let row: Int
    /// Whether the part lies with rows and columns exchanged: ``row`` is then still a row, and the part has all columns.
    let isTransposed: Bool
    /// Of how many parts the rows lie by turns, this one's being every so manyth from ``row`` + ``turn`` on; 1: its rows are
    /// neighbours.
    var turnCount = 1
    var turn = 0
    /// Of ``liveRows`` every so manyth belongs to the part, from the first on.
    var liveStep = 1

    /// How many rows it has.
    var count: Int { liveRows.count / liveStep + (liveRows.count % liveStep == 0 ? 0 : 1) }
    /// The rows that the part takes of its tensor, those that lie by turns counted a part behind the other.
    var rows: Range<Int> { row + turn * count..<row + (turn + 1) * count }
  }

  /// What the live model calls it.
  let name: TensorName
  /// The live tensor's shape.
  let shape: [Int]
  /// They cover all of the live tensor's rows, in their order.
  let parts: [Part]
  /// Nil: the base has the name.
  let rule: String?

  /// The one tensor of the base that it is, as it is; nil: it is parts of some.
  let whole: TensorName?
}

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
  typealias Resolution = Result<ResolvedName, NameProblem>

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
    let name = TensorName(mapped)
    if let shape = shape(of: name) { return .success(whole(name, name, shape, rule: map)) }
    if let found = converted(mapped, rows: rows, experts: experts) { return found.map { $0.adding(map) } }
    if let found = fused(mapped) { return found.map { $0.adding(map) } }
    // Names with another beginning: all that the base has must be the same.
    var found: [ResolvedName] = []
    var problem: NameProblem?
    for (variant, rule) in PrefixRules.variants(mapped, modelPrefix: live().rules.modelPrefix) {
      let candidate = TensorName(variant)
      let resolution: Resolution?
      if let entry = virtualBase.entry(candidate) {
        resolution = .success(whole(candidate, candidate, entry.info.shape, rule: nil))
      } else {
        resolution = converted(variant, rows: rows, experts: experts) ?? fused(variant)
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
    return found.first.map { .success($0) } ?? problem.map { .failure($0) }
  }

  /// The base's tensors by their live names: made when the first name is not the base's own.
  private mutating func live() -> LiveNames {
    if let liveNames { return liveNames }
    let made = LiveNames(virtualBase, config: base.config)
    liveNames = made
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

  private func whole(_ tensor: TensorName, _ live: TensorName, _ shape: [Int], rule: String?) -> ResolvedName {
    // Of an empty tensor's dimensions no product may be formed.
    let rows = shape.contains(0) ? 0 : TensorUpdate.matrix(of: shape).rows
    return ResolvedName(
      name: live, shape: shape,
      parts: [ResolvedName.Part(tensor: tensor, liveRows: 0..<rows, row: 0, isTransposed: false)], rule: rule,
      whole: tensor)
  }

  // MARK: - By the table of transformers

  private mutating func converted(_ text: String, rows: Int?, experts: Int?) -> Resolution? {
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

  /// A live tensor from what is on disk.
  private func assembled(
    _ name: TensorName, _ pieces: [LiveNames.Piece], experts: Int?
  ) -> Resolution? {
    func fail(_ problem: PlanError.Problem) -> Resolution { .failure(NameProblem(problem: problem)) }
    guard let first = pieces.first, let shape = shape(of: first.tensor) else { return nil }
    let steps = first.place.part?.steps
    guard let part = first.place.part, let steps else {
      guard pieces.count == 1 else {
        return fail(.ambiguousName(target: name.string, candidates: pieces.map(\.tensor.string)))
      }
      return .success(whole(first.tensor, name, shape, rule: first.place.rule))
    }
    guard pieces.allSatisfy({ $0.place.part?.steps == steps && $0.place.part?.sourceCount == part.sourceCount }) else {
      return fail(.ambiguousName(target: name.string, candidates: pieces.map(\.tensor.string)))
    }
    if let empty = pieces.first(where: { self.shape(of: $0.tensor)?.contains(0) ?? true }) {
      return fail(
        .partShape(target: name.string, tensor: empty.tensor.string, found: self.shape(of: empty.tensor) ?? []))
    }
    switch steps {
    case [.stack], [.stack, .join(1)]: return stacked(name, pieces, part.sourceCount, experts: experts)
    case [.divide]:
      return stacked(
        name, pieces, part.sourceCount, experts: experts, target: first.target, of: first.place.names.count)
    case [.interleave(shape.count - 2)], [.interleave(shape.count - 2), .chunk(shape.count - 2)]:
      return interleaved(name, pieces, shape, isChunked: steps.count == 2)
    case _ where part.isRotated: return rotated(name, pieces, shape, steps)
    case [.join(0)], [.join(1)]: return joined(name, pieces, part.sourceCount, dimension: steps == [.join(0)] ? 0 : 1)
    case [.chunk(0)], [.split(0)]:
      guard pieces.count == 1 else {
        return fail(.ambiguousName(target: name.string, candidates: pieces.map(\.tensor.string)))
      }
      let count = first.place.names.count
      let offset: (row: Int, count: Int)?
      if steps == [.chunk(0)] {
        let height = (shape.first ?? 0) / count
        offset = height * count == shape.first ? (first.target * height, height) : nil
      } else {
        offset = sizes(first.place.names, total: shape.first ?? 0).map { Self.place(first.target, of: $0) }
      }
      guard let offset else {
        return fail(.unknownSlice(target: first.tensor.string, rule: first.place.rule))
      }
      return .success(
        ResolvedName(
          name: name, shape: [offset.count] + shape.dropFirst(),
          parts: [
            ResolvedName.Part(
              tensor: first.tensor, liveRows: 0..<offset.count, row: offset.row, isTransposed: false)
          ], rule: first.place.rule, whole: nil))
    case [.transpose(0, 1)], [.transpose(1, 2)]:
      // The square ones look the same both ways, and transformers takes them as they are.
      guard pieces.count == 1, shape.count >= 2 else { return nil }
      let (d1, d2) = (shape[shape.count - 2], shape[shape.count - 1])
      let stack = shape.dropLast(2).reduce(1, *)
      return .success(
        ResolvedName(
          name: name, shape: Array(shape.dropLast(2)) + [d2, d1],
          parts: (0..<stack).map {
            ResolvedName.Part(
              tensor: first.tensor, liveRows: $0 * d2..<($0 + 1) * d2, row: $0 * d1, isTransposed: true)
          }, rule: first.place.rule, whole: nil))
    default:
      return fail(.unsupportedConversion(target: name.string, tensor: first.tensor.string, rule: first.place.rule))
    }
  }

  /// Experts that lie one by one, or a source each.
  ///
  /// - Parameters:
  ///   - target: Which of several live stacks it is, among which the experts are divided in their order.
  private func stacked(
    _ name: TensorName, _ pieces: [LiveNames.Piece], _ sources: Int, experts: Int?, target: Int = 0,
    of targets: Int = 1
  ) -> Resolution {
    var byNumber: [Int: [Int: TensorName]] = [:]
    for piece in pieces {
      guard let part = piece.place.part, let number = part.number else { continue }
      if let other = byNumber[part.source]?[number] {
        return .failure(
          NameProblem(
            problem: .ambiguousName(target: name.string, candidates: [other.string, piece.tensor.string])))
      }
      byNumber[part.source, default: [:]][number] = piece.tensor
    }
    let all = max((byNumber.values.compactMap { $0.keys.max() }.max() ?? -1) + 1, (experts ?? 0) * targets)
    let share = all / targets + (all % targets == 0 ? 0 : 1)
    let numbers = min(target * share, all)..<min((target + 1) * share, all)
    var parts: [ResolvedName.Part] = []
    var row = 0
    var columns: Int?
    var height: Int?
    for expert in numbers {
      let start = row
      for source in 0..<sources {
        guard let tensor = byNumber[source]?[expert], let shape = shape(of: tensor) else {
          let sibling = byNumber[source]?.values.min() ?? pieces.map(\.tensor).min()
          return .failure(
            NameProblem(
              problem: .missingPart(target: name.string, expert: expert, like: sibling?.string ?? name.string)))
        }
        guard shape.count == 2, shape[1] == columns ?? shape[1] else {
          return .failure(
            NameProblem(problem: .partShape(target: name.string, tensor: tensor.string, found: shape)))
        }
        columns = shape[1]
        parts.append(
          ResolvedName.Part(tensor: tensor, liveRows: row..<row + shape[0], row: 0, isTransposed: false))
        row += shape[0]
      }
      guard row - start == height ?? (row - start) else {
        return .failure(
          NameProblem(
            problem: .partShape(
              target: name.string, tensor: parts[parts.count - 1].tensor.string, found: [row - start, columns ?? 0])))
      }
      height = row - start
    }
    return .success(
      ResolvedName(
        name: name, shape: [numbers.count, height ?? 0, columns ?? 0], parts: parts, rule: pieces.first?.place.rule,
        whole: nil))
  }

  /// Tensors on disk that are one in the live model: one behind the other along their rows, or expert by expert.
  private func joined(
    _ name: TensorName, _ pieces: [LiveNames.Piece], _ sources: Int, dimension: Int
  ) -> Resolution {
    var ordered: [(tensor: TensorName, shape: [Int])] = []
    for source in 0..<sources {
      let found = pieces.filter { $0.place.part?.source == source }
      guard let tensor = found.first?.tensor, let shape = shape(of: tensor) else {
        return .failure(
          NameProblem(
            problem: .missingPart(target: name.string, expert: nil, like: pieces[0].tensor.string)))
      }
      guard found.count == 1 else {
        return .failure(
          NameProblem(problem: .ambiguousName(target: name.string, candidates: found.map(\.tensor.string))))
      }
      let first = ordered.first?.shape ?? shape
      guard shape.count == first.count, shape.count > dimension,
        shape.dropFirst(dimension + 1) == first.dropFirst(dimension + 1),
        shape.prefix(dimension) == first.prefix(dimension)
      else {
        return .failure(NameProblem(problem: .partShape(target: name.string, tensor: tensor.string, found: shape)))
      }
      ordered.append((tensor, shape))
    }
    guard let first = ordered.first?.shape else {
      return .failure(NameProblem(problem: .missingPart(target: name.string, expert: nil, like: name.string)))
    }
    var shape = first
    shape[dimension] = ordered.reduce(0) { $0 + $1.shape[dimension] }
    // Rows of the matrix that one step along the dimension is.
    let inner = first.dropFirst(dimension + 1).dropLast().reduce(1, *)
    var parts: [ResolvedName.Part] = []
    var row = 0
    for block in 0..<first.prefix(dimension).reduce(1, *) {
      for (tensor, shape) in ordered {
        let count = first.count == 1 ? shape[0] : shape[dimension] * inner
        parts.append(
          ResolvedName.Part(tensor: tensor, liveRows: row..<row + count, row: block * count, isTransposed: false))
        row += count
      }
    }
    return .success(
      ResolvedName(name: name, shape: shape, parts: parts, rule: pieces.first?.place.rule, whole: nil))
  }

  /// A part of a live tensor, for an adapter that has names of the parts.
  private func slice(
    of target: TensorName, _ shape: [Int], for name: TensorName, _ part: ConversionRules.Part, rows: Int?, rule: String
  ) -> Resolution {
    func fail(_ problem: PlanError.Problem) -> Resolution { .failure(NameProblem(problem: problem)) }
    func found(_ row: Int, _ count: Int) -> Resolution {
      .success(
        ResolvedName(
          name: name, shape: [count, shape[shape.count - 1]],
          parts: [ResolvedName.Part(tensor: target, liveRows: 0..<count, row: row, isTransposed: false)], rule: rule,
          whole: nil))
    }
    if shape.contains(0) { return fail(.unknownSlice(target: target.string, rule: rule)) }
    switch part.steps {
    case [.stack], [.stack, .join(1)]:
      guard let number = part.number, shape.count == 3, shape[1] % part.sourceCount == 0 else {
        return fail(.unknownSlice(target: target.string, rule: rule))
      }
      guard number < shape[0] else {
        return fail(.missingPart(target: target.string, expert: number, like: name.string))
      }
      let height = shape[1] / part.sourceCount
      return found(number * shape[1] + part.source * height, height)
    case [.join(0)]:
      guard shape.count == 2, let rows, rows * part.sourceCount == shape[0] else {
        return fail(.unknownSlice(target: target.string, rule: rule))
      }
      return found(part.source * rows, rows)
    default: return fail(.unsupportedConversion(target: name.string, tensor: target.string, rule: rule))
    }
  }

  /// A tensor that is several in the base.
  private func joined(
    _ name: TensorName, _ targets: [TensorName], _ part: ConversionRules.Part, rule: String
  ) -> Resolution? {
    let found = targets.compactMap { target in shape(of: target).map { (target, $0) } }
    guard !found.isEmpty else { return nil }
    guard part.steps == [.chunk(0)] || part.steps == [.split(0)] else {
      return .failure(
        NameProblem(problem: .unsupportedConversion(target: name.string, tensor: found[0].0.string, rule: rule)))
    }
    if found.count < targets.count, let missing = targets.first(where: { shape(of: $0) == nil }) {
      return .failure(NameProblem(problem: .missingPart(target: name.string, expert: nil, like: missing.string)))
    }
    return concatenated(name, found, rule: rule)
  }

  private func concatenated(
    _ name: TensorName, _ tensors: [(TensorName, [Int])], rule: String
  ) -> Resolution {
    var parts: [ResolvedName.Part] = []
    var row = 0
    for (tensor, shape) in tensors {
      guard shape.dropFirst() == tensors[0].1.dropFirst(), !shape.contains(0), let count = shape.first else {
        return .failure(NameProblem(problem: .partShape(target: name.string, tensor: tensor.string, found: shape)))
      }
      parts.append(ResolvedName.Part(tensor: tensor, liveRows: row..<row + count, row: 0, isTransposed: false))
      row += count
    }
    return .success(
      ResolvedName(name: name, shape: [row] + tensors[0].1.dropFirst(), parts: parts, rule: rule, whole: nil))
  }

  private static func place(_ number: Int, of sizes: [Int]) -> (row: Int, count: Int) {
    (sizes[..<number].reduce(0, +), sizes[number])
  }

  // MARK: - Projections that a family keeps as one

  /// Projections that some models keep one behind the other in one tensor and others apart.
  private static let fusedProjections: [(fused: [String], parts: [String])] = [
    (["qkv_proj", "Wqkv", "in_proj_qkv", "att_proj", "W_pack"], ["q_proj", "k_proj", "v_proj"]),
    (["gate_up_proj"], ["gate_proj", "up_proj"]),
  ]

  /// The tensor of a projection that lies in a fused one, and the other way round.
  private func fused(_ text: String) -> Resolution? {
    var components = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard components.count >= 2, let leaf = components.last, leaf == "weight" || leaf == "bias" else { return nil }
    let module = components[components.count - 2]
    let name = TensorName(text)
    func sibling(_ module: String) -> TensorName {
      components[components.count - 2] = module
      return TensorName(components.joined(separator: "."))
    }
    for (fused, parts) in Self.fusedProjections {
      if let number = parts.firstIndex(of: module) {
        for other in fused {
          let target = sibling(other)
          guard let shape = shape(of: target), let total = shape.first else { continue }
          let rule = "fused: \(module) in \(other)"
          guard let offset = sizes(parts, total: total).map({ Self.place(number, of: $0) }) else {
            return .failure(NameProblem(problem: .unknownSlice(target: target.string, rule: rule)))
          }
          return .success(
            ResolvedName(
              name: name, shape: [offset.count] + shape.dropFirst(),
              parts: [
                ResolvedName.Part(
                  tensor: target, liveRows: 0..<offset.count, row: offset.row, isTransposed: false)
              ], rule: rule, whole: nil))
        }
      } else if fused.contains(module) {
        let found = parts.map { sibling($0) }.compactMap { target in shape(of: target).map { (target, $0) } }
        if found.isEmpty { continue }
        if found.count < parts.count, let missing = parts.map({ sibling($0) }).first(where: { shape(of: $0) == nil }) {
          return .failure(NameProblem(problem: .missingPart(target: text, expert: nil, like: missing.string)))
        }
        return concatenated(name, found, rule: "fused: \(module) as \(parts.joined(separator: ", "))")
      }
    }
    return nil
  }

  /// The rows of each of several live tensors that are one on disk, as config.json says; nil: it does not, or they do not
  /// make `total`.
  private func sizes(_ names: [String], total: Int) -> [Int]? {
    let modules = names.compactMap { $0.split(separator: ".").last { $0 != "weight" && $0 != "bias" } }
    switch modules {
    case ["gate_proj", "up_proj"]: return total % 2 == 0 ? [total / 2, total / 2] : nil
    case ["q_proj", "k_proj", "v_proj"]: return ConfigFacts.heads(base.config, rows: total)
    case ["in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a"]:
      return ConfigFacts.linearAttention(base.config, rows: total)
    default: return nil
    }
  }
}

extension ResolvedName {
  /// The same, found with another rule before.
  func adding(_ other: String?) -> ResolvedName {
    guard let other else { return self }
    return ResolvedName(
      name: name, shape: shape, parts: parts, rule: rule.map { "\(other); \($0)" } ?? other, whole: whole)
  }
}
