import Adapters
import Safetensors

extension CopiedTensors {
  private static let endings: [(kind: Kind, endings: Set<String>)] = [
    (
      .loha, ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"]
    ),
    (
      .lokr, ["lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2"]
    ),
    (.difference, ["diff", "diff_b", "w_norm", "b_norm"]),
  ]
  private static let common: Set<String> = ["alpha", "dora_scale"]

  /// The change of a bias beside factors; nil: the update has no bias, or not as a difference that nothing scales.
  init?(biasOf update: ModuleUpdate, _ table: TensorTable) {
    let ending = "diff_b"
    guard let bias = update.bias, !bias.isScaled || update.scaling == 1,
      table.name(at: bias.witness.tensor).string.hasSuffix(".\(ending)")
    else { return nil }
    self.init(
      kind: .difference, tensors: [(ending, bias.witness.tensor)], alphaTensor: nil, strength: nil, scaling: 1)
  }

  /// The tensors of an update that dialects call the same; nil: it has others.
  init?(_ update: ModuleUpdate, _ table: TensorTable) {
    var found: [(ending: String, tensor: Int)] = []
    var kind: Kind?
    var alpha: Int?
    for index in update.tensorIndices {
      let ending = String(table.name(at: index).string.split(separator: ".").last ?? "")
      if ending == "alpha" {
        alpha = index
        continue
      }
      if !Self.common.contains(ending) {
        guard let own = Self.endings.first(where: { $0.endings.contains(ending) })?.kind, kind ?? own == own else {
          return nil
        }
        kind = own
      }
      found.append((ending, index))
    }
    guard let kind else { return nil }
    self.kind = kind
    tensors = found
    alphaTensor = alpha
    scaling = update.scaling ?? 1
    // Files say the rank by a factor; two whole matrices have none, and no alpha scales them.
    let ranked =
      found.first { $0.ending == "hada_w1_b" || $0.ending == "lokr_w2_b" }
      ?? found.first { $0.ending == "lokr_w1_b" }
    strength = ranked.flatMap {
      Strength(scaling: update.scaling ?? 1, rank: table.shape(at: $0.tensor)[0], stated: update.alpha)
    }
  }
}
