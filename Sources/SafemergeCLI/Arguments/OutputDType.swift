import ArgumentParser
import Safetensors

/// The dtype of merged tensors, as typed; the names are those of torch and transformers.
enum OutputDType: String, CaseIterable, ExpressibleByArgument {
  case auto, bfloat16, float16, float32

  /// Accepts the short names of other tools as well.
  init?(argument: String) {
    switch argument {
    case "same": self = .auto
    case "bf16": self = .bfloat16
    case "f16", "fp16", "half": self = .float16
    case "f32", "fp32", "float": self = .float32
    default: self.init(rawValue: argument)
    }
  }

  var dtype: DType? {
    switch self {
    case .auto: nil
    case .bfloat16: .bf16
    case .float16: .f16
    case .float32: .f32
    }
  }
}
