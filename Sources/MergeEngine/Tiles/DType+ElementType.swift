import Safetensors
import TileKernels

extension DType {
  /// The kernels' name for the type; nil for those that nothing is computed on.
  package var elementType: ElementType? {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    default: nil
    }
  }
}
