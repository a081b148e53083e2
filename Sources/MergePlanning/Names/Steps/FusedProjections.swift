import Checkpoints
import Safetensors

/// Queries, keys and values, and gates, as one tensor or as several.
extension MergePlanner {
  /// Projections that some models keep one behind the other in one tensor and others apart.
  private static let fusedProjections: [(fused: [String], parts: [String])] = [
    (["qkv_proj", "Wqkv", "in_proj_qkv", "att_proj", "W_pack"], ["q_proj", "k_proj", "v_proj"]),
    // Tinker trains the projections of a gated delta network apart.
    (["in_proj_qkv"], ["in_proj_q", "in_proj_k", "in_proj_v"]),
    (["gate_up_proj"], ["gate_proj", "up_proj"]),
  ]

  /// The tensor of a projection that lies in a fused one, and the other way round.
  func fused(_ text: String) -> Resolution? {
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
            TensorPlacement(
              name: name, shape: [offset.count] + shape.dropFirst(),
              parts: [
                TensorPlacement.Part(
                  tensor: target, runtimeRows: 0..<offset.count, row: offset.row, isTransposed: false)
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
  func sizes(_ names: [String], total: Int) -> [Int]? {
    let modules = names.compactMap { $0.split(separator: ".").last { $0 != "weight" && $0 != "bias" } }
    switch modules {
    case ["gate_proj", "up_proj"]: return total % 2 == 0 ? [total / 2, total / 2] : nil
    case ["q_proj", "k_proj", "v_proj"]: return ModelConfig.heads(base.config, rows: total)
    case ["in_proj_q", "in_proj_k", "in_proj_v"]: return ModelConfig.linearAttentionHeads(base.config, rows: total)
    case ["in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a"]:
      return ModelConfig.linearAttention(base.config, rows: total)
    default: return nil
    }
  }

  /// The rows of one of several parts that lie one behind the other.
  static func place(_ number: Int, of sizes: [Int]) -> (row: Int, count: Int) {
    (sizes[..<number].reduce(0, +), sizes[number])
  }
}
