import Adapters
import MergeEngine
import Platform
import Safetensors
import TileKernels

/// An adapter's weights, opened for reading.
struct FactorFile: Sendable {
  private let file: InputFile
  private let dataStart: Int
  private let method: CombinationMethod

  /// Bytes of a tensor that are compared or copied at once.
  private static let pieceByteCount = 1 << 20

  init(_ adapter: Adapter, _ method: CombinationMethod) throws(CombinationError) {
    self.method = method
    dataStart = adapter.header.dataStart
    do throws(FileError) {
      file = try InputFile(path: adapter.weightsPath)
    } catch {
      guard case .system(let call, let code) = error.problem else {
        throw CombinationError(path: adapter.weightsPath, method, .changed)
      }
      throw CombinationError(path: adapter.weightsPath, method, .system(call: call, code: code))
    }
    guard file.identity == adapter.header.identity else {
      throw CombinationError(path: adapter.weightsPath, method, .changed)
    }
  }

  /// Calls `body` with a tensor's bytes, a piece at a time, and the place of each in the tensor.
  func forEachPiece(_ tensor: TensorInfo, _ body: (RawSpan, Int) throws -> Void) throws {
    var buffer: [UInt8] = []
    for start in stride(from: 0, to: tensor.byteCount, by: Self.pieceByteCount) {
      let count = min(Self.pieceByteCount, tensor.byteCount - start)
      try read(tensor, start..<start + count, into: &buffer)
      try unsafe body(buffer.span.bytes.extracting(0..<count), start)
    }
  }

  /// A tensor's elements in fp32, row after row.
  func elements(_ tensor: TensorInfo, kernels: KernelSet) throws -> [Float] {
    guard let type = tensor.dtype.elementType else {
      throw CombinationError(
        path: file.path, tensor: tensor.name.string, method, .inconsistent("\(tensor.dtype.name) is not computed on"))
    }
    var raw: [UInt8] = []
    try read(tensor, 0..<tensor.byteCount, into: &raw)
    var values = [Float](repeating: 0, count: tensor.elementCount)
    var span = values.mutableSpan
    _ = try unsafe kernels.widen(raw.span.bytes, as: type, into: &span)
    return values
  }

  /// Whether a tensor has the same bytes as one of another file.
  func isEqual(
    _ tensor: TensorInfo, to other: TensorInfo, in otherFile: FactorFile
  ) throws(CombinationError) -> Bool {
    try attempt { () throws(FileError) in
      try file.hasSameBytes(range(of: tensor), as: otherFile.file, otherFile.range(of: other))
    }
  }

  /// A tensor's bytes in the file.
  private func range(of tensor: TensorInfo) -> Range<Int> {
    dataStart + tensor.dataOffsets.lowerBound..<dataStart + tensor.dataOffsets.upperBound
  }

  private func read(
    _ tensor: TensorInfo, _ range: Range<Int>, into buffer: inout [UInt8]
  ) throws(CombinationError) {
    let start = self.range(of: tensor).lowerBound
    do throws(FileError) {
      try file.read(start + range.lowerBound..<start + range.upperBound, into: &buffer)
    } catch { throw failure(error) }
  }

  private func attempt<Value>(_ body: () throws(FileError) -> Value) throws(CombinationError) -> Value {
    do throws(FileError) { return try body() } catch { throw failure(error) }
  }

  private func failure(_ error: FileError) -> CombinationError {
    guard case .system(let call, let code) = error.problem else {
      return CombinationError(path: file.path, method, .changed)
    }
    return CombinationError(path: file.path, method, .system(call: call, code: code))
  }

  /// Whether the file is still what it was when it was opened.
  func checkUnchanged() throws { try file.checkUnchanged() }
}
