import ArgumentParser
import Checkpoints
import Foundation
import MergeEngine
import MergePlanning

/// How several adapters become one, as typed.
struct CombineOptions: ParsableArguments {
  enum Method: String, CaseIterable, ExpressibleByArgument {
    case cat, linear, ties
    case dareLinear = "dare_linear"
    case dareTies = "dare_ties"
    case magnitudePrune = "magnitude_prune"
    case svd
    case tiesSVD = "ties_svd"
    case dareLinearSVD = "dare_linear_svd"
    case dareTiesSVD = "dare_ties_svd"
    case magnitudePruneSVD = "magnitude_prune_svd"

    static let supported: [Method] = [.cat, .linear, .ties, .dareLinear, .dareTies, .magnitudePrune]
    var needsDensity: Bool { [.ties, .dareLinear, .dareTies, .magnitudePrune].contains(self) }
    var electsSign: Bool { [.ties, .dareTies].contains(self) }
    var isRandom: Bool { [.dareLinear, .dareTies].contains(self) }
  }

  @Option(
    name: .customLong("combine"),
    help: ArgumentHelp(
      """
      Combine the adapters into one as PEFT's add_weighted_adapter does: \
      \(Method.supported.map(\.rawValue).joined(separator: ", ")). Without it, the exact weighted sum is merged, and so \
      it is with cat unless --arithmetic peft asks for PEFT's roundings.
      """, valueName: "method"))
  var method: Method?

  @Option(help: "The share of elements that ties, dare_linear, dare_ties and magnitude_prune keep: over 0, at most 1.")
  var density: Double?

  @Option(
    help: """
      How ties and dare_ties elect the sign of an element: \
      \(CombinationMethod.MajoritySign.allCases.map(\.rawValue).joined(separator: ", ")). Default: total.
      """)
  var majoritySign: CombinationMethod.MajoritySign?

  @Option(help: "The seed of what dare_linear and dare_ties drop.")
  var seed: UInt64?

  func validate() throws {
    guard let method else {
      for (isGiven, name) in [
        (density != nil, "--density"), (majoritySign != nil, "--majority-sign"), (seed != nil, "--seed"),
      ] where isGiven {
        throw ValidationError("\(name) belongs to --combine.")
      }
      return
    }
    guard Method.supported.contains(method) else {
      throw ValidationError(
        "--combine \(method.rawValue) needs a singular value decomposition, which safemerge does not compute; "
          + "--combine cat merges the exact weighted sum, which \"svd\" approximates.")
    }
    if method.needsDensity {
      guard let density else { throw ValidationError("--combine \(method.rawValue) needs --density.") }
      guard density > 0, density <= 1 else { throw ValidationError("--density is over 0 and at most 1.") }
    } else if density != nil {
      throw ValidationError("--combine \(method.rawValue) has no --density.")
    }
    if majoritySign != nil, !method.electsSign {
      throw ValidationError("--combine \(method.rawValue) has no --majority-sign.")
    }
    if method.isRandom, seed == nil {
      throw ValidationError("--combine \(method.rawValue) drops elements at random: give --seed, a number.")
    }
    if seed != nil, !method.isRandom { throw ValidationError("--combine \(method.rawValue) has no --seed.") }
  }

  /// The method; nil: the adapters are merged one beside the other.
  func combination(_ arithmetic: MergeOptions.Arithmetic) -> CombinationMethod? {
    let sign = majoritySign ?? .total
    switch (method, density, seed) {
    case (.cat, _, _): return arithmetic == .peft ? .concatenation : nil
    case (.linear, _, _): return .linear
    case (.ties, let density?, _): return .ties(density: density, sign: sign)
    case (.dareLinear, let density?, let seed?): return .dareLinear(density: density, seed: seed)
    case (.dareTies, let density?, let seed?): return .dareTies(density: density, sign: sign, seed: seed)
    case (.magnitudePrune, let density?, _): return .magnitudePrune(density: density)
    default: return nil
    }
  }

  /// Where the combined factors are kept: beside the output, where there is room for what is many times their size.
  ///
  /// - Parameter output: Nil: nothing is written.
  static func temporaryFolder(output: String?) -> String {
    if let folder = ProcessInfo.processInfo.environment["SAFEMERGE_TMPDIR"], !folder.isEmpty { return folder }
    return output.map(Paths.folder) ?? FileManager.default.temporaryDirectory.path
  }
}

extension CombinationMethod.MajoritySign: ExpressibleByArgument {}
