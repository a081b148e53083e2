import MergeEngine
import Safetensors
import TileKernels

extension AdapterTensor {
  /// A tensor of numbers that were computed, each rounded once, to nearest even.
  ///
  /// - Parameters:
  ///   - values: Row-major, as many as the shape has.
  ///   - dtype: F32, F16 or BF16.
  ///   - path: The output, for errors.
  /// - Throws: `MergeError` with `nonFinite` if a finite number is too large for the dtype, with `underflow` if numbers
  ///   other than zero are all too small for it; `SafetensorsError` if the values are not as many as the shape has.
  public init(
    name: String, dtype: DType, shape: [Int], values: [Float], kernels: KernelSet = .best, path: String
  ) throws {
    guard let type = dtype.elementType else {
      throw MergeError(path: path, tensor: TensorName(name), .inconsistentPlan("\(dtype.name) is not computed"))
    }
    var bytes = [UInt8](repeating: 0, count: values.count * type.byteCount)
    let count = try kernels.round(values, count: values.count, into: &bytes, as: type)
    guard count == 0 else {
      throw MergeError(
        path: path, tensor: TensorName(name), .nonFinite(count: count, rows: 0..<(shape.first ?? 1), dtype: dtype))
    }
    // A factor of zeros would take the whole change away.
    let lost = values.count { $0 != 0 }
    guard lost == 0 || !Self.areZeros(bytes, byteCount: type.byteCount) else {
      throw MergeError(path: path, tensor: TensorName(name), .underflow(count: lost, dtype: dtype))
    }
    try self.init(name: name, dtype: dtype, shape: shape, bytes: bytes)
  }

  /// Whether all little-endian numbers are zeros of either sign.
  private static func areZeros(_ bytes: [UInt8], byteCount: Int) -> Bool {
    bytes.indices.allSatisfy { bytes[$0] & ($0 % byteCount == byteCount - 1 ? 0x7F : 0xFF) == 0 }
  }
}
