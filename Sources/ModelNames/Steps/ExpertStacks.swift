import Adapters
import Checkpoints
import JSONText
import Safetensors

/// Updates of a whole stack of experts, where the base has the projection under another name, as a tensor for each expert, or
/// as part of a stack.
///
/// Sources: tinker-cookbook `weights/_merge_utils.py` (w1 gates, w3 is gated, w2 goes back; of experts without a gate w1 goes
/// up), Megatron-Bridge's names, transformers' models.
struct ExpertStacks {
  let search: PlacementSearch
  private var base: BaseView { search.base }

  init(search: PlacementSearch) { self.search = search }

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

  /// Families whose stacked gate and up projection has interleaved rows.
  private static let interleavedFamilies: Set<String> = ["gpt_oss", "openai_privacy_filter"]

  private var isInterleaved: Bool {
    ModelConfig.family(base.config).map { Self.interleavedFamilies.contains($0) } ?? false
  }

  /// Finds a stack; nil: the base has no such experts.
  ///
  /// - Parameters:
  ///   - text: The name of a stack, such as `model.layers.0.mlp.experts.w1`.
  ///   - rows: Of one expert's update.
  ///   - experts: How many the update has; nil: it is of no stack.
  func find(_ text: String, rows: Int?, experts: Int?) -> Resolution? {
    guard let experts, let rows else { return nil }
    let components = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard components.count > 1, let leaf = components.last, components[components.count - 2] == "experts" else {
      return nil
    }
    let container = components.dropLast().joined(separator: ".")
    guard var projection = Projection.allCases.first(where: { $0.names.contains(leaf) }) else { return nil }
    // Of experts without a gate the first projection goes up.
    if leaf == "w1", !hasGate(container) { projection = .up }
    let name = TensorName(text)
    for other in projection.names where other != leaf {
      let candidate = "\(container).\(other)"
      if let found = stack(candidate, name) { return .success(found) }
      if let found = search.converted(candidate, rows: rows, experts: experts) {
        return found.map { $0.adding("experts: \(leaf) is \(other)") }
      }
    }
    if let found = stack("\(container).\(leaf).weight", name) { return .success(found) }
    if let found = switched(container, projection, name) { return .success(found) }
    if let found = separate(name, container, projection, experts) { return found }
    guard projection == .gate || projection == .up else { return nil }
    return half(name, container, isSecond: projection == .up, rows: rows, experts: experts)
  }

  private func hasGate(_ container: String) -> Bool {
    func isAny(_ names: [String]) -> Bool {
      names.contains {
        base.shape(of: TensorName("\(container).\($0)")) != nil
          || base.shape(of: TensorName("\(container).0.\($0).weight")) != nil
      }
    }
    // Where the base has these experts under another beginning nothing is found of them at all.
    return isAny(Projection.gate.names + Projection.gateAndUp.names) || !isAny(Projection.up.names)
  }

  /// A stack that the base has under the name `candidate`.
  private func stack(_ candidate: String, _ name: TensorName) -> TensorPlacement? {
    let tensor = TensorName(candidate)
    guard let shape = base.shape(of: tensor), shape.count == 3 else { return nil }
    return TensorPlacement(whole: tensor, as: name, shape: shape, rule: "experts: \(candidate)")
  }

  /// A stack of an MLX model, which has `switch_mlp` in the place of `experts`.
  ///
  /// Source: mlx-lm 0.32.2 `models/switch_layers.py`.
  private func switched(_ container: String, _ projection: Projection, _ name: TensorName) -> TensorPlacement? {
    let holder = container.dropLast("experts".count) + "switch_mlp"
    for leaf in projection.names {
      if let found = stack("\(holder).\(leaf).weight", name) { return found }
    }
    return nil
  }

  /// A tensor for each expert; of gate and up two.
  private func separate(
    _ name: TensorName, _ container: String, _ projection: Projection, _ experts: Int
  ) -> Resolution? {
    let roles: [Projection] = projection == .gateAndUp ? [.gate, .up] : [projection]
    var names: [String] = []
    for role in roles {
      guard let found = role.names.first(where: { base.shape(of: TensorName("\(container).0.\($0).weight")) != nil })
      else { return nil }
      names.append(found)
    }
    if projection == .gateAndUp, isInterleaved { return nil }
    var stack = ExpertRows()
    for expert in 0..<experts {
      for leaf in names {
        let tensor = TensorName("\(container).\(expert).\(leaf).weight")
        guard let shape = base.shape(of: tensor) else {
          return .failure(
            .missingPart(target: name.string, expert: expert, like: "\(container).0.\(leaf).weight"))
        }
        guard !shape.contains(0), stack.append(tensor, shape) else {
          return .failure(.partShape(target: name.string, tensor: tensor.string, found: shape))
        }
      }
      if let found = stack.endExpert() {
        return .failure(.partShape(target: name.string, tensor: stack.last, found: [found]))
      }
    }
    // An expert that the base has and the update has not would be one that the training left alone, or lost.
    let next = "\(container).\(experts).\(names[0]).weight"
    if base.shape(of: TensorName(next)) != nil {
      return .failure(.expertCount(target: name.string, found: experts, like: next))
    }
    return .success(
      stack.placement(name, experts: experts, rule: "experts: \(names.joined(separator: ", ")) of each"))
  }

  /// The gate's half of a stack of both, or the other one.
  private func half(
    _ name: TensorName, _ container: String, isSecond: Bool, rows: Int, experts: Int
  ) -> Resolution? {
    let text = "\(container).\(Projection.gateAndUp.names[0])"
    let fused = TensorName(text)
    let found: TensorPlacement
    if let shape = base.shape(of: fused) {
      found = TensorPlacement(whole: fused, as: fused, shape: shape, rule: nil)
    } else {
      switch search.converted(text, rows: 2 * rows, experts: experts) {
      case nil: return nil
      case .failure(let problem)?: return .failure(problem)
      case .success(let resolved)?: found = resolved
      }
    }
    let rule = "experts: the \(isSecond ? "second" : "first") half of \(text)"
    let unknown = Resolution.failure(.unknownSlice(target: text, rule: rule))
    guard found.shape.count == 3, found.shape[0] == experts else { return unknown }
    let (height, width) = (found.shape[1], found.shape[2])
    let isUpright = height == 2 * rows
    let isExchanged = width == 2 * rows && found.whole != nil
    // Of these families the columns are the rows of a layer.
    if isInterleaved, !isExchanged {
      return .failure(
        .unsupportedConversion(target: name.string, tensor: text, rule: "interleaved rows of gate and up"))
    }
    guard isUpright != isExchanged || isInterleaved else { return unknown }
    if isExchanged, let tensor = found.whole {
      let parts = (0..<experts).map { expert in
        var part = TensorPlacement.Part(
          tensor, runtimeRows: expert * rows..<(expert + 1) * rows, row: expert * height, isTransposed: true)
        if isInterleaved {
          part.columnTurn = Turn(count: 2, offset: isSecond ? 1 : 0)
        } else {
          part.column = isSecond ? rows : 0
        }
        return part
      }
      return .success(TensorPlacement(name: name, shape: [experts, rows, height], parts: parts, rule: rule))
    }
    var parts: [TensorPlacement.Part] = []
    for expert in 0..<experts {
      let first = expert * height + (isSecond ? rows : 0)
      for part in found.parts {
        let common = part.runtimeRows.clamped(to: first..<first + rows)
        if common.isEmpty { continue }
        guard !part.isTransposed, part.interleaveCount == 1, part.runtimeStride == 1 else { return unknown }
        let start = expert * rows + common.lowerBound - first
        parts.append(
          TensorPlacement.Part(
            part.tensor, runtimeRows: start..<start + common.count,
            row: part.row + common.lowerBound - part.runtimeRows.lowerBound))
      }
    }
    return .success(
      TensorPlacement(
        name: name, shape: [experts, rows, width], parts: parts, rule: found.rule.map { "\($0); \(rule)" } ?? rule))
  }
}
