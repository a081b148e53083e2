import Adapters
import Checkpoints
import LinearAlgebra
import MergePlanning
import Platform
import Safetensors
import TileKernels

/// Computes a combined adapter's factors, a module at a time, and writes them to its file.
struct CombinationWriter {
  static let fileName = PEFTLayout.weightsName

  private let layout: CombinationLayout
  private let factors: CombinationFactors
  private let interruption: Interruption
  private let path: String
  private let header: HeaderEncoder

  init(
    _ layout: CombinationLayout, kernels: KernelSet, decomposer: MatrixDecomposer?, interruption: Interruption,
    folder: String
  ) throws {
    self.layout = layout
    self.interruption = interruption
    path = Paths.join(folder, Self.fileName)
    factors = try CombinationFactors(layout, kernels: kernels, decomposer: decomposer)
    var tensors: [HeaderEncoder.Tensor] = []
    for module in layout.modules {
      tensors.append(try .init(name: TensorName(module.nameA), dtype: .f32, shape: module.shapeA))
      tensors.append(try .init(name: TensorName(module.nameB), dtype: .f32, shape: module.shapeB))
    }
    for copy in layout.copies {
      let info = layout.uses[copy.adapter].adapter.header.tensors[copy.tensor]
      tensors.append(try .init(name: TensorName(copy.name), dtype: info.dtype, shape: info.shape))
    }
    header = try HeaderEncoder(path: path, metadata: [.init(key: "format", value: "pt")], tensors: tensors)
  }

  /// - Parameter computes: Otherwise only the header is written, and the data is 0.
  func write(workers: Int, computes: Bool) throws {
    let file = try attempt { () throws(SystemCalls.Failure) in
      let file = try TemporaryFile(path: path)
      try file.extend(to: header.fileByteCount, reservesSpace: computes)
      try unsafe file.write(header.bytes.span.bytes, at: 0)
      return file
    }
    guard computes else { return }
    try WorkQueue.run(layout.modules.count, workers: workers) { number in
      try interruption.check()
      try write(layout.modules[number], number, to: file)
    }
    for (index, copy) in layout.copies.enumerated() {
      let info = layout.uses[copy.adapter].adapter.header.tensors[copy.tensor]
      try factors.sources[copy.adapter].forEachPiece(info) { bytes, start in
        try interruption.check()
        try write(bytes, tensor: 2 * layout.modules.count + index, start, to: file)
      }
    }
    try factors.checkUnchanged()
  }

  private func attempt<Value>(
    _ body: () throws(SystemCalls.Failure) -> Value
  ) throws(CombinationError) -> Value {
    do throws(SystemCalls.Failure) { return try body() } catch {
      throw CombinationError(path: path, layout.method, .system(call: error.call, code: error.code))
    }
  }

  private func write(
    _ bytes: RawSpan, tensor: Int, _ start: Int = 0, to file: TemporaryFile
  ) throws(CombinationError) {
    let offset = header.bytes.count + header.dataOffsets[tensor].lowerBound + start
    do throws(SystemCalls.Failure) { try file.write(bytes, at: offset) } catch {
      throw CombinationError(path: path, layout.method, .system(call: error.call, code: error.code))
    }
  }

  private func write(_ module: CombinationLayout.Module, _ number: Int, to file: TemporaryFile) throws {
    try factors.forEach(of: module) { place, values in
      try unsafe write(values.span.bytes, tensor: 2 * number + place, to: file)
    }
  }
}
