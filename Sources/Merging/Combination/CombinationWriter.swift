import Adapters
import Checkpoints
import LinearAlgebra
import MergePlanning
import Platform
import Safetensors
import TileKernels

/// Computes a combined adapter's factors, a module at a time, and writes them to its file.
struct CombinationWriter {
  static let fileName = "adapter_model.safetensors"

  private let layout: CombinationLayout
  private let kernels: KernelSet
  /// For the methods that decompose whole updates.
  private let decomposer: MatrixDecomposer?
  private let interruption: Interruption
  private let path: String
  private let sources: [FactorFile]
  private let header: HeaderEncoder

  init(
    _ layout: CombinationLayout, kernels: KernelSet, decomposer: MatrixDecomposer?, interruption: Interruption,
    folder: String
  ) throws {
    self.layout = layout
    self.interruption = interruption
    self.decomposer = decomposer
    self.kernels = kernels
    path = Paths.join(folder, Self.fileName)
    sources = try layout.uses.map { try FactorFile($0.adapter, layout.method) }
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
      try sources[copy.adapter].forEachPiece(info) { bytes, start in
        try interruption.check()
        try write(bytes, tensor: 2 * layout.modules.count + index, start, to: file)
      }
    }
    for source in sources { try source.checkUnchanged() }
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
    if case .svd(let inner, _, let clamp) = layout.method {
      let (a, b) = try decomposed(module, inner, clamp: clamp)
      try unsafe write(a.span.bytes, tensor: 2 * number, to: file)
      try unsafe write(b.span.bytes, tensor: 2 * number + 1, to: file)
      return
    }
    let a = try factor(module, isA: true)
    try unsafe write(a.span.bytes, tensor: 2 * number, to: file)
    let b = try factor(module, isA: false)
    try unsafe write(b.span.bytes, tensor: 2 * number + 1, to: file)
  }

  /// The factors of the combined updates; one module at a time is in memory.
  private func decomposed(
    _ module: CombinationLayout.Module, _ method: CombinationMethod, clamp: Double?
  ) throws -> (a: [Float], b: [Float]) {
    let first = module.parts[0]
    guard let decomposer else {
      throw CombinationError(path: path, layout.method, .inconsistent("no LAPACK was opened"))
    }
    let decomposition = CombinationDecomposition(
      method: method, rows: first.update.outFeatures ?? 0, columns: first.update.inFeatures ?? 0, rank: module.rank,
      clamp: clamp)
    let source = layout.uses[first.adapter].adapter.weightsPath
    return try decomposer.withTurn(path: source, tensor: first.update.module) { algebra in
      let updates = try module.parts.map { part in
        let tensors = layout.uses[part.adapter].adapter.header.tensors
        return CombinationDecomposition.Update(
          a: try sources[part.adapter].elements(tensors[part.a], kernels: kernels),
          b: try sources[part.adapter].elements(tensors[part.b], kernels: kernels), rank: part.rank,
          scaling: Float(part.scaling), weight: Float(part.weight), stream: stream(part, "D"))
      }
      return try decomposition.factors(of: updates, algebra, kernels)
    }
  }

  /// What an adapter's choices in one matrix of a module are drawn from.
  private func stream(_ part: CombinationLayout.Part, _ matrix: String) -> RandomStream {
    RandomStream(
      seed: layout.method.seed ?? 0, tensor: Self.hash("\(part.adapter)/\(part.update.module)/\(matrix)"))
  }

  private func factor(_ module: CombinationLayout.Module, isA: Bool) throws -> [Float] {
    let factors = try module.parts.map { part in
      let tensors = layout.uses[part.adapter].adapter.header.tensors
      return try sources[part.adapter].elements(tensors[isA ? part.a : part.b], kernels: kernels)
    }
    if layout.method == .concatenation {
      return isA ? concatenatedA(factors, module) : concatenatedB(factors, module)
    }
    let weights = module.parts.map { part in
      let product = part.weight * part.scaling
      let root = product.magnitude.squareRoot()
      return Float(isA && product < 0 ? -root : root)
    }
    let streams = module.parts.map { stream($0, isA ? "A" : "B") }
    return try CombinationArithmetic(method: layout.method)
      .combine(factors, weights: weights, streams: streams, kernels: kernels)
  }

  /// The rows of all A, each weighted by w and then by s, in fp32; zeros behind them.
  private func concatenatedA(_ factors: [[Float]], _ module: CombinationLayout.Module) -> [Float] {
    var rows: [Float] = []
    rows.reserveCapacity(module.shapeA.reduce(1, &*))
    for (factor, part) in zip(factors, module.parts) {
      let (weight, scaling) = (Float(part.weight), Float(part.scaling))
      rows += factor.map { $0 * weight * scaling }
    }
    rows += repeatElement(0, count: module.shapeA.reduce(1, &*) - rows.count)
    return rows
  }

  /// The columns of all B; zeros behind them.
  private func concatenatedB(_ factors: [[Float]], _ module: CombinationLayout.Module) -> [Float] {
    let rank = module.rank
    var columns = [Float](repeating: 0, count: module.shapeB.reduce(1, &*))
    var first = 0
    for (factor, part) in zip(factors, module.parts) {
      let width = part.rank
      for row in 0..<module.shapeB[0] {
        for column in 0..<width { columns[row * rank + first + column] = factor[row * width + column] }
      }
      first += width
    }
    return columns
  }

  /// FNV-1a, 64 bits.
  private static func hash(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
