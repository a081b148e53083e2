import Safetensors

/// Queries, keys and values, and gates, as one tensor or as several.
struct FusedProjections {
  let base: BaseView

  /// Projections that some models keep one behind the other in one tensor and others apart.
  private static let projections: [(fused: [String], parts: [String])] = [
    (["qkv_proj", "Wqkv", "in_proj_qkv", "att_proj", "W_pack"], ["q_proj", "k_proj", "v_proj"]),
    // Tinker trains the projections of a gated delta network apart.
    (["in_proj_qkv"], ["in_proj_q", "in_proj_k", "in_proj_v"]),
    (["gate_up_proj"], ["gate_proj", "up_proj"]),
  ]

  /// Finds a projection in a fused tensor, or a fused one in its parts; nil: there is neither.
  func find(_ text: String) -> Resolution? {
    var components = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard components.count >= 2, let leaf = components.last, leaf == "weight" || leaf == "bias" else { return nil }
    let module = components[components.count - 2]
    let name = TensorName(text)
    func sibling(_ module: String) -> TensorName {
      components[components.count - 2] = module
      return TensorName(components.joined(separator: "."))
    }
    for (fused, parts) in Self.projections {
      if let number = parts.firstIndex(of: module) {
        for other in fused {
          let target = sibling(other)
          guard let shape = base.shape(of: target), let total = shape.first else { continue }
          let rule = "fused: \(module) in \(other)"
          guard let sizes = ProjectionRows.sizes(of: parts, total: total, base.config) else {
            return .failure(.unknownSlice(target: target.string, rule: rule))
          }
          let range = ProjectionRows.range(number, of: sizes)
          return .success(
            TensorPlacement(
              name: name, shape: [range.count] + shape.dropFirst(),
              parts: [TensorPlacement.Part(target, runtimeRows: 0..<range.count, row: range.lowerBound)], rule: rule))
        }
      } else if fused.contains(module) {
        let found = parts.map { sibling($0) }.compactMap { target in base.shape(of: target).map { (target, $0) } }
        if found.isEmpty { continue }
        if found.count < parts.count,
          let missing = parts.map({ sibling($0) }).first(where: { base.shape(of: $0) == nil })
        {
          return .failure(.missingPart(target: text, expert: nil, like: missing.string))
        }
        return JoinStep.concatenated(name, found, rule: "fused: \(module) as \(parts.joined(separator: ", "))")
      }
    }
    return nil
  }
}
