import Adapters
import Safetensors
import TileKernels

/// An adapter's weights, mapped.
struct FactorFile: Sendable {
  private let map: MappedFile
  private let dataStart: Int
  private let method: CombinationMethod

  init(_ adapter: Adapter, _ method: CombinationMethod) throws(CombinationError) {
    self.method = method
    dataStart = adapter.header.dataStart
    do throws(SafetensorsError) {
      let file = try InputFile(path: adapter.weightsPath)
      if file.identity == adapter.header.identity {
        map = try MappedFile(file)
        return
      }
    } catch {
      guard case .system(let call, let code) = error.problem else {
        throw CombinationError(path: adapter.weightsPath, method, .changed)
      }
      throw CombinationError(path: adapter.weightsPath, method, .system(call: call, code: code))
    }
    throw CombinationError(path: adapter.weightsPath, method, .changed)
  }

  /// Calls `body` with a tensor's bytes.
  func withBytes<Result, Failure: Error>(
    _ tensor: TensorInfo, _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let offsets = tensor.dataOffsets
    return try map.withBytes(dataStart + offsets.lowerBound..<dataStart + offsets.upperBound, body)
  }

  /// A tensor's elements in fp32, row after row.
  func elements(_ tensor: TensorInfo, kernels: KernelSet) throws -> [Float] {
    guard let type = tensor.dtype.elementType else {
      throw CombinationError(
        path: map.file.path, tensor: tensor.name.string, method,
        .inconsistent("\(tensor.dtype.name) is not computed on"))
    }
    var values = [Float](repeating: 0, count: tensor.elementCount)
    var span = values.mutableSpan
    try withBytes(tensor) { bytes in _ = try kernels.widen(bytes, as: type, into: &span) }
    return values
  }

  /// Whether the file is still what it was when it was opened.
  func checkUnchanged() throws { try map.file.checkUnchanged() }
}
