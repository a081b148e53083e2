import Adapters
import ArgumentParser
import MergeEngine
import MergePlanning
import Merging
import Safetensors

extension MergeOptions.Tied: ExpressibleByArgument {}
extension MergeOptions.Arithmetic: ExpressibleByArgument {}
extension MergeOptions.AttentionOutput: ExpressibleByArgument {}
extension CopyMode: ExpressibleByArgument {}
extension MergeEngine.NonFinite: ExpressibleByArgument {}
extension ExpertLayout: ExpressibleByArgument {}
extension MergeRequest.Verification: ExpressibleByArgument {}

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

/// The dtype of merged tensors, as typed.
enum OutputDType: String, CaseIterable, ExpressibleByArgument {
  case same, bf16, f16, f32

  var dtype: DType? {
    switch self {
    case .same: nil
    case .bf16: .bf16
    case .f16: .f16
    case .f32: .f32
    }
  }
}
