import Safetensors
import TileKernels

/// One kernel on buffers of one size.
struct KernelCase {
  /// What the kernel is compared with.
  enum Reference {
    /// Fused multiply-adds on registers.
    case multiplyAdds
    /// memcpy that reads and writes as many bytes, in buffers as large.
    case copy
  }

  let name: String
  /// The dtype of the weights, where there are some.
  let type: ElementType?
  let rows: Int
  let columns: Int
  let rank: Int?
  /// Bytes read and written, each once.
  let byteCount: Int
  /// Floating-point operations, a fused multiply-add being two; 0 where they are not what matters.
  let operations: Int
  let reference: Reference
  let work: () throws -> Void
}

extension ElementType {
  var name: String {
    switch self {
    case .bf16: "bf16"
    case .f16: "f16"
    case .f32: "f32"
    }
  }

  var dtype: DType {
    switch self {
    case .bf16: .bf16
    case .f16: .f16
    case .f32: .f32
    }
  }
}
