import ArgumentParser
import Checkpoints
import MergeEngine
import MergePlanning
import Merging
import Platform
import Staging

/// How several adapters are combined, as typed.
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

    /// For methods that decompose the update, the step before the decomposition; for others the method itself.
    var inner: Method {
      switch self {
      case .svd: .linear
      case .tiesSVD: .ties
      case .dareLinearSVD: .dareLinear
      case .dareTiesSVD: .dareTies
      case .magnitudePruneSVD: .magnitudePrune
      default: self
      }
    }
    var decomposes: Bool { inner != self }
    var needsDensity: Bool { [.ties, .dareLinear, .dareTies, .magnitudePrune].contains(inner) }
    var electsSign: Bool { [.ties, .dareTies].contains(inner) }
    var isRandom: Bool { [.dareLinear, .dareTies].contains(inner) }
  }

  @Option(
    name: .customLong("combine"),
    help: ArgumentHelp(
      """
      Combine the adapters into one, as PEFT's add_weighted_adapter does. Without it, the exact weighted sum is merged. The \
      methods that end in svd need LAPACK.
      """, valueName: "method"))
  var method: Method?

  @Option(
    help: ArgumentHelp(
      "Fraction of the elements that ties, dare and magnitude_prune methods keep, for example 0.5.",
      valueName: "fraction"))
  var density: Double?

  @Option(help: ArgumentHelp("Random seed of the dare methods.", valueName: "number"))
  var seed: UInt64?

  @Option(
    help: ArgumentHelp(
      "How ties methods elect the sign of an element. Default: total.", valueName: "method", visibility: .hidden))
  var majoritySign: CombinationMethod.MajoritySign?

  @Option(
    help: ArgumentHelp(
      "Rank of the result of svd methods. Default: the largest rank of the adapters.", valueName: "rank",
      visibility: .hidden))
  var svdRank: Int?

  @Option(
    help: ArgumentHelp(
      "Clamp the factors of svd methods to this quantile of their elements. Default: no clamping.",
      valueName: "fraction", visibility: .hidden))
  var svdClamp: Double?

  func validate() throws {
    guard let method else {
      for (isGiven, name) in [
        (density != nil, "--density"), (majoritySign != nil, "--majority-sign"), (seed != nil, "--seed"),
        (svdRank != nil, "--svd-rank"), (svdClamp != nil, "--svd-clamp"),
      ] where isGiven {
        throw ValidationError("\(name) requires --combine")
      }
      return
    }
    let name = "--combine \(method.rawValue)"
    if method.needsDensity {
      guard let density else {
        throw ValidationError(
          "\(name) requires --density", hint: "for example --density 0.5, to keep half of the elements")
      }
      try Self.require(density, "--density")
    }
    if method.isRandom, seed == nil {
      throw ValidationError("\(name) drops elements at random and requires --seed", hint: "for example --seed 1")
    }
    for (isGiven, option, applies) in [
      (density != nil, "--density", method.needsDensity), (majoritySign != nil, "--majority-sign", method.electsSign),
      (seed != nil, "--seed", method.isRandom), (svdRank != nil, "--svd-rank", method.decomposes),
      (svdClamp != nil, "--svd-clamp", method.decomposes),
    ] where isGiven && !applies {
      throw ValidationError("\(option) has no effect with \(name)")
    }
    if let svdRank, svdRank < 1 {
      throw ValidationError("invalid value \"\(svdRank)\" for --svd-rank: expected at least 1")
    }
    if let svdClamp { try Self.require(svdClamp, "--svd-clamp") }
  }

  /// - Throws: Unless it is a fraction above 0.
  private static func require(_ value: Double, _ option: String) throws {
    guard value > 0, value <= 1 else {
      let number = NumberText.number(value)
      throw ValidationError("invalid value \"\(number)\" for \(option): expected a number above 0 and at most 1")
    }
  }

  /// The method for an adapter that is kept: without one, the sum of the updates.
  var kept: CombinationMethod { combination(.peft) ?? .concatenation }

  /// The method; nil if the adapters are merged separately.
  func combination(_ arithmetic: MergeOptions.Arithmetic) -> CombinationMethod? {
    guard let method, let inner = combination(of: method.inner, arithmetic) else { return nil }
    return method.decomposes ? .svd(inner, rank: svdRank, clamp: svdClamp) : inner
  }

  private func combination(of method: Method, _ arithmetic: MergeOptions.Arithmetic) -> CombinationMethod? {
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

  /// The options that decide the result, under their names on the command line.
  var recorded: [MergeIdentity.Option] {
    guard let method else { return [] }
    var options = [("combine", method.rawValue)]
    if let density { options.append(("density", NumberText.number(density))) }
    if let majoritySign { options.append(("majority-sign", majoritySign.rawValue)) }
    if let seed { options.append(("seed", String(seed))) }
    return options.map { .init(name: $0.0, value: $0.1) }
  }

  /// Further options, which a report does not show.
  var recordedOfDecomposition: [MergeIdentity.Option] {
    var options: [MergeIdentity.Option] = []
    if let svdRank { options.append(.init(name: "svd-rank", value: String(svdRank))) }
    if let svdClamp { options.append(.init(name: "svd-clamp", value: "\(svdClamp)")) }
    return options
  }

  /// The command line for recorded options.
  ///
  /// - Parameter options: Options of other groups are ignored.
  static func arguments(for options: [MergeIdentity.Option]) -> [String] {
    let names = ["combine", "density", "majority-sign", "seed", "svd-rank", "svd-clamp"]
    return options.filter { names.contains($0.name) }.map { "--\($0.name)=\($0.value)" }
  }

  /// The folder that the user wants for the combined factors; nil for a place beside the output, where there is room
  /// for a result many times their size.
  static var temporaryFolder: String? {
    ProcessEnvironment.variables["SAFEMERGE_TMPDIR"].flatMap { $0.isEmpty ? nil : $0 }
  }
}

extension CombinationMethod.MajoritySign: ExpressibleByArgument {}
