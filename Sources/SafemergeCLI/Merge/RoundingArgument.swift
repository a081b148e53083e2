import ArgumentParser
import MergeEngine

/// `nearest`, or `stochastic:SEED`.
struct RoundingArgument: ExpressibleByArgument {
  let rounding: MergeEngine.Rounding

  var isStochastic: Bool {
    if case .stochastic = rounding { true } else { false }
  }

  init(rounding: MergeEngine.Rounding) { self.rounding = rounding }

  init?(argument: String) {
    if argument == "nearest" {
      rounding = .nearest
    } else if argument.hasPrefix("stochastic:"), let seed = UInt64(argument.dropFirst("stochastic:".count)) {
      rounding = .stochastic(seed: seed)
    } else {
      return nil
    }
  }

  var defaultValueDescription: String { "nearest" }
}
