import Checkpoints
import JSONText

/// The rows of projections that lie one behind the other in one tensor.
enum ProjectionRows {
  /// The rows of each of several projections, as config.json says; nil: it does not, or they do not make `total`.
  static func sizes(of names: [String], total: Int, _ config: JSONValue?) -> [Int]? {
    let modules = names.compactMap { $0.split(separator: ".").last { $0 != "weight" && $0 != "bias" } }
    switch modules {
    case ["gate_proj", "up_proj"]: return total % 2 == 0 ? [total / 2, total / 2] : nil
    case ["q_proj", "k_proj", "v_proj"]: return ModelConfig.heads(config, rows: total)
    case ["in_proj_q", "in_proj_k", "in_proj_v"]: return ModelConfig.linearAttentionHeads(config, rows: total)
    case ["in_proj_qkv", "in_proj_z", "in_proj_b", "in_proj_a"]:
      return ModelConfig.linearAttention(config, rows: total)
    default: return nil
    }
  }

  /// The rows of one of several parts of these sizes.
  static func range(_ number: Int, of sizes: [Int]) -> Range<Int> {
    let row = sizes[..<number].reduce(0, +)
    return row..<row + sizes[number]
  }
}
