import Checkpoints
import Safetensors

/// Updates of a whole stack of experts, where the base has the projection under another name, an expert a tensor, or as part
/// of a stack.
///
/// Sources: tinker-cookbook `weights/_merge_utils.py` (w1 gates, w3 is gated, w2 goes back; of experts without a gate w1 goes
/// up), Megatron-Bridge's names, transformers' models.
extension MergePlanner {
  /// What one projection is called, by the part that it plays.
  private enum Projection: CaseIterable {
    case gate, up, down, gateAndUp

    var names: [String] {
      switch self {
      case .gate: ["gate_proj", "w1"]
      case .up: ["up_proj", "w3"]
      case .down: ["down_proj", "w2"]
      case .gateAndUp: ["gate_up_proj"]
      }
    }
  }

  /// Families whose stacked gate and up projection has a row of each by turns.
  private static let interleavedFamilies: Set<String> = ["gpt_oss", "openai_privacy_filter"]

  /// - Parameters:
  ///   - text: The name of a stack, such as `model.layers.0.mlp.experts.w1`.
  ///   - rows: Of one expert's update.
  ///   - experts: How many the update has; nil: it is of no stack.
  mutating func expertStack(_ text: String, rows: Int?, experts: Int?) -> Resolution? {
    guard let experts, let rows else { return nil }
    let components = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard components.count > 1, let leaf = components.last, components[components.count - 2] == "experts" else {
      return nil
    }
    let container = components.dropLast().joined(separator: ".")
    guard var projection = Projection.allCases.first(where: { $0.names.contains(leaf) }) else { return nil }
    // Of experts without a gate the first projection is the one that goes up.
    if leaf == "w1", !hasGate(container) { projection = .up }
    let name = TensorName(text)
    for other in projection.names where other != leaf {
      let candidate = "\(container).\(other)"
      if let found = exactStack(candidate, name) { return found }
      if let found = converted(candidate, rows: rows, experts: experts) {
        return found.map { $0.adding("experts: \(leaf) is \(other)") }
      }
    }
    if let found = exactStack("\(container).\(leaf).weight", name) { return found }
    if let found = separate(name, container, projection, experts) { return found }
    guard projection == .gate || projection == .up else { return nil }
    return half(name, container, isSecond: projection == .up, rows: rows, experts: experts)
  }

  private func hasGate(_ container: String) -> Bool {
    let names = Projection.gate.names + Projection.gateAndUp.names
    if names.contains(where: { shape(of: TensorName("\(container).\($0)")) != nil }) { return true }
    if names.contains(where: { shape(of: TensorName("\(container).0.\($0).weight")) != nil }) { return true }
    // Where the base has these experts under another beginning nothing is found of them at all.
    return Projection.up.names.allSatisfy {
      shape(of: TensorName("\(container).\($0)")) == nil && shape(of: TensorName("\(container).0.\($0).weight")) == nil
    }
  }

  private func exactStack(_ candidate: String, _ name: TensorName) -> Resolution? {
    let tensor = TensorName(candidate)
    guard let shape = shape(of: tensor), shape.count == 3 else { return nil }
    return .success(whole(tensor, name, shape, rule: "experts: \(candidate)"))
  }

  /// A tensor an expert; of gate and up two.
  private func separate(
    _ name: TensorName, _ container: String, _ projection: Projection, _ experts: Int
  ) -> Resolution? {
    let roles: [Projection] = projection == .gateAndUp ? [.gate, .up] : [projection]
    var names: [String] = []
    for role in roles {
      guard let found = role.names.first(where: { shape(of: TensorName("\(container).0.\($0).weight")) != nil }) else {
        return nil
      }
      names.append(found)
    }
    if projection == .gateAndUp, let family = ModelConfig.family(base.config), Self.interleavedFamilies.contains(family)
    {
      return nil
    }
    func fail(_ problem: PlanError.Problem) -> Resolution { .failure(NameProblem(problem: problem)) }
    var parts: [TensorPlacement.Part] = []
    var row = 0
    var height: Int?
    var columns: Int?
    for expert in 0..<experts {
      let start = row
      for leaf in names {
        let tensor = TensorName("\(container).\(expert).\(leaf).weight")
        guard let shape = shape(of: tensor) else {
          return fail(
            .missingPart(target: name.string, expert: expert, like: "\(container).0.\(leaf).weight"))
        }
        guard shape.count == 2, shape[1] == columns ?? shape[1], !shape.contains(0) else {
          return fail(.partShape(target: name.string, tensor: tensor.string, found: shape))
        }
        columns = shape[1]
        parts.append(
          TensorPlacement.Part(tensor: tensor, runtimeRows: row..<row + shape[0], row: 0, isTransposed: false))
        row += shape[0]
      }
      guard row - start == height ?? (row - start) else {
        return fail(.partShape(target: name.string, tensor: parts[parts.count - 1].tensor.string, found: [row - start]))
      }
      height = row - start
    }
    // An expert that the base has and the update has not would be one that the training left alone, or lost.
    if shape(of: TensorName("\(container).\(experts).\(names[0]).weight")) != nil {
      return fail(.expertCount(target: name.string, found: experts, like: "\(container).\(experts).\(names[0]).weight"))
    }
    return .success(
      TensorPlacement(
        name: name, shape: [experts, height ?? 0, columns ?? 0], parts: parts,
        rule: "experts: \(names.joined(separator: ", ")) of each", whole: nil))
  }

  /// The gate's half of a stack of both, or the other one.
  private mutating func half(
    _ name: TensorName, _ container: String, isSecond: Bool, rows: Int, experts: Int
  ) -> Resolution? {
    let text = "\(container).\(Projection.gateAndUp.names[0])"
    let fused = TensorName(text)
    let found: TensorPlacement
    if let shape = shape(of: fused) {
      found = whole(fused, fused, shape, rule: nil)
    } else {
      switch converted(text, rows: 2 * rows, experts: experts) {
      case nil: return nil
      case .failure(let problem)?: return .failure(problem)
      case .success(let resolved)?: found = resolved
      }
    }
    let rule = "experts: the \(isSecond ? "second" : "first") half of \(text)"
    func refuse() -> Resolution {
      .failure(NameProblem(problem: .unknownSlice(target: text, rule: rule)))
    }
    guard found.shape.count == 3, found.shape[0] == experts else { return refuse() }
    let isInterleaved = ModelConfig.family(base.config).map { Self.interleavedFamilies.contains($0) } ?? false
    let (height, width) = (found.shape[1], found.shape[2])
    let isUpright = height == 2 * rows
    let isExchanged = width == 2 * rows && found.whole != nil
    // Of these families the columns are the rows of a layer.
    if isInterleaved, !isExchanged {
      return .failure(
        NameProblem(
          problem: .unsupportedConversion(target: name.string, tensor: text, rule: "rows of gate and up by turns")))
    }
    guard isUpright != isExchanged || isInterleaved else { return refuse() }
    if isExchanged, let tensor = found.whole {
      return .success(
        TensorPlacement(
          name: name, shape: [experts, rows, height],
          parts: (0..<experts).map { expert in
            var part = TensorPlacement.Part(
              tensor: tensor, runtimeRows: expert * rows..<(expert + 1) * rows, row: expert * height, isTransposed: true
            )
            if isInterleaved {
              part.columnTurn = FactorSpread.Turn(count: 2, offset: isSecond ? 1 : 0)
            } else {
              part.column = isSecond ? rows : 0
            }
            return part
          }, rule: rule, whole: nil))
    }
    var parts: [TensorPlacement.Part] = []
    for expert in 0..<experts {
      let first = expert * height + (isSecond ? rows : 0)
      for part in found.parts {
        let common = part.runtimeRows.clamped(to: first..<first + rows)
        if common.isEmpty { continue }
        guard !part.isTransposed, part.interleaveCount == 1, part.runtimeStride == 1 else { return refuse() }
        let start = expert * rows + common.lowerBound - first
        parts.append(
          TensorPlacement.Part(
            tensor: part.tensor, runtimeRows: start..<start + common.count,
            row: part.row + common.lowerBound - part.runtimeRows.lowerBound, isTransposed: false))
      }
    }
    return .success(
      TensorPlacement(
        name: name, shape: [experts, rows, width], parts: parts, rule: found.rule.map { "\($0); \(rule)" } ?? rule,
        whole: nil))
  }
}
