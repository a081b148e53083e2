import Checkpoints
import JSONText
import Safetensors

/// Parts of a Mamba block's input projection that Tinker trains apart.
///
/// Source: tinker-cookbook `weights/_merge_nemotron.py`; transformers `modeling_nemotron_h.py`: the rows of `in_proj` are the
/// gate's, then those of the convolution's input, of which the first are x.
struct MambaProjections {
  let base: BaseView

  private static let parts = ["gate_proj", "x_proj"]

  /// Finds a part in `in_proj`; nil: the base has no such block.
  func find(_ text: String, rows: Int?) -> Resolution? {
    guard ModelConfig.family(base.config) == "nemotron_h", let rows else { return nil }
    var components = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard components.count > 2, components.last == "weight",
      let number = Self.parts.firstIndex(of: components[components.count - 2])
    else { return nil }
    let leaf = components[components.count - 2]
    components[components.count - 2] = "in_proj"
    let target = TensorName(components.joined(separator: "."))
    guard let shape = base.shape(of: target), shape.count == 2 else { return nil }
    let rule = "fused: \(leaf) in in_proj"
    guard ModelConfig.mambaWidth(base.config) == rows, 2 * rows <= shape[0] else {
      return .failure(.unknownSlice(target: target.string, rule: rule))
    }
    return .success(
      TensorPlacement(
        name: TensorName(text), shape: [rows, shape[1]],
        parts: [TensorPlacement.Part(target, runtimeRows: 0..<rows, row: number * rows)], rule: rule))
  }
}
