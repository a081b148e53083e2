import ArgumentParser
import Safetensors

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
