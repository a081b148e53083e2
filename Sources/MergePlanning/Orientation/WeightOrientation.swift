import Adapters
import JSONText

/// The orientation of a linear layer's stored weight.
enum WeightOrientation: Hashable {
  /// (out, in), as torch's Linear has it.
  case plain
  /// (in, out), as the Conv1D of transformers has it, which GPT-2 and models made after it use.
  case transposed
}

/// Decides how a weight is stored whose shape does not tell, because it is square.
///
/// The adapter's `fan_in_fan_out` is no answer by itself: PEFT saves what held for the last layer that it visited.
struct OrientationDecision {
  let families: OrientationFamilies
  let evidence: OrientationEvidence
  /// What the base alone tells, without the adapter's factors.
  let evidenceOfBase: OrientationEvidence
  /// `fan_in_fan_out` of the adapter.
  let flag: Bool
  /// The last components of the modules that the adapter changes by linear updates.
  let adaptedLeaves: Set<Substring>
  /// What the user says of weights for which nothing else tells.
  let answer: WeightOrientation?

  /// Nil: nothing tells.
  func orientation(of module: String) -> WeightOrientation? { found(module) ?? answer }

  /// Whether a weight that is not square may be stored (in, out), as the factors have it: else the adapter is of another
  /// model.
  func mayBeTransposed(_ module: String) -> Bool {
    if flag || answer == .transposed { return true }
    let place = ModulePlace(module)
    if let found = evidenceOfBase.ofModules(named: place) ?? families.orientation(of: place) {
      return found == .transposed
    }
    guard place.isConv1DName else { return evidenceOfBase.ofBlock(place.block) == .transposed }
    return families.isUnknown || evidenceOfBase.ofConv1DNames == .transposed
  }

  private func found(_ module: String) -> WeightOrientation? {
    let place = ModulePlace(module)
    // What is known of the code.
    if !place.isConv1DName, families.isLinear { return .plain }
    // What shapes say of modules of the same name. Where they contradict each other, a name says nothing.
    if let found = evidence.ofModules(named: place) { return found }
    if let found = families.orientation(of: place) { return found }
    if place.isConv1DName {
      // c_attn, c_proj and c_fc are made of one class in every model that has them.
      if let found = evidence.ofConv1DNames { return found }
    } else if let found = evidence.ofBlock(place.block) {
      return found
    } else if !evidence.hasTransposed, !flag {
      // Nothing hints at a Conv1D: a Linear, as in nearly every model.
      return .plain
    }
    // The flag is right for the last layer that PEFT visited, and so for every layer, if all are of one name or family
    // of names. False proves nothing: programs that are not PEFT write it without a look at the model.
    let areOneKind = adaptedLeaves.count == 1 || adaptedLeaves.allSatisfy(ModulePlace.conv1DNames.contains)
    return flag && areOneKind && !evidence.hasPlain ? .transposed : nil
  }
}

/// What the path of a module says of its place in a model.
struct ModulePlace {
  /// What the Conv1D layers of transformers' models are called.
  static let conv1DNames: Set<Substring> = ["c_attn", "c_proj", "c_fc", "q_attn"]

  /// The last component.
  let leaf: Substring
  /// The nearest component before it that is not a number, such as `attn` or `mlp`; empty for a name without one.
  let block: Substring

  init(_ module: String) {
    var rest = module[...]
    leaf = Self.popLastWord(&rest)
    block = Self.popLastWord(&rest)
  }

  /// Removes the last component that is not a number, and the numbers after it. Empty: all components are numbers.
  private static func popLastWord(_ rest: inout Substring) -> Substring {
    while !rest.isEmpty {
      let dot = rest.utf8.lastIndex(of: UInt8(ascii: "."))
      let component = rest[(dot.map { rest.utf8.index(after: $0) } ?? rest.startIndex)...]
      rest = rest[..<(dot ?? rest.startIndex)]
      let isNumber = component.utf8.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
      // So is an empty one.
      if !isNumber { return component }
    }
    return ""
  }

  var isConv1DName: Bool { Self.conv1DNames.contains(leaf) }
}
