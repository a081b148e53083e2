import Safetensors

/// Keys of updates to stacked experts that are named by the parameter and not by PEFT's wrapper of it, and the factors that
/// all experts share.
///
/// Sources: tinker-cookbook `weights/_merge.py`; Megatron-Bridge `peft_bridge.py`; SkyRL's conversion for vLLM, which has a
/// factor of all experts beside those of each.
enum ExpertKeys {
  /// The segment that holds experts.
  static let container = "experts"

  /// What experts' projections are called, together or apart.
  private static let projections: Set<String> = [
    "gate_up_proj", "gate_proj", "up_proj", "down_proj", "w1", "w2", "w3",
  ]

  /// The parts of a module's path: what holds the experts, and which projection it is; nil: it is no projection of a stack.
  static func stack(of module: TensorName) -> (module: TensorName, projection: String)? {
    var segments = module.string.split(separator: ".", omittingEmptySubsequences: false)
    guard segments.count > 2, let last = segments.popLast(), segments.last.map({ $0 == container }) ?? false,
      projections.contains(String(last))
    else { return nil }
    return (TensorName(segments.joined(separator: ".")), String(last))
  }

  /// Whether a projection has a name of Tinker's, whose factors have three dimensions.
  static func isTinkers(_ projection: String) -> Bool { ["w1", "w2", "w3"].contains(projection) }

  /// The path of the stack that a single expert's projection belongs to: `X.experts.3.w1` is of `X.experts.w1`; nil: it is
  /// none of one.
  static func stackPath(ofExpert module: TensorName) -> TensorName? {
    var segments = module.string.split(separator: ".", omittingEmptySubsequences: false)
    guard segments.count > 3, segments[segments.count - 3] == container,
      segments[segments.count - 2].utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
    else { return nil }
    segments.remove(at: segments.count - 2)
    return TensorName(segments.joined(separator: "."))
  }
}
