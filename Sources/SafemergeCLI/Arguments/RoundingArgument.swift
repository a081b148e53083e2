import MergeEngine

/// `nearest`, or `stochastic:SEED`.
struct RoundingArgument {
  let rounding: MergeEngine.Rounding

  var isStochastic: Bool {
    if case .stochastic = rounding { true } else { false }
  }

  init(rounding: MergeEngine.Rounding) { self.rounding = rounding }

  init(argument: String) throws {
    if argument == "nearest" {
      rounding = .nearest
    } else if argument.hasPrefix("stochastic:"), let seed = UInt64(argument.dropFirst("stochastic:".count)) {
      rounding = .stochastic(seed: seed)
    } else if argument == "stochastic" {
      throw InvalidValue("stochastic rounding needs a seed", hint: "for example --round stochastic:1")
    } else if argument.hasPrefix("stochastic:") {
      throw InvalidValue(
        "the seed is not a whole number from 0 to \(UInt64.max)", hint: "for example --round stochastic:1")
    } else {
      throw InvalidValue("expected nearest or stochastic:SEED")
    }
  }
}
