import LinearAlgebra
import MergePlanning
import Safetensors
import TileKernels

/// The context in which a step is prepared.
struct StepContext {
  let tensor: ComputedTensor
  let inputs: InputFiles
  let kernels: KernelSet
  let tileSize: TileSize
  /// For tensors that a part is taken out of.
  let decomposer: MatrixDecomposer?
  /// ``PreparedSteps/scales``.
  let scales: [Float]?
  /// What the steps are of, where that is not the tensor as it is in the base.
  var part: Part?

  /// What the steps of a part see.
  enum Part {
    /// Rows of the tensor, as the steps before leave them.
    case rows(Range<Int>, after: [any ValueStep])
    /// A matrix that other tensors have a part of, as it is in the base.
    case joined(JoinedRows)
  }

  /// Rows of a matrix in fp32, one after the other; nil: all of them.
  func widened(_ view: FactorView, rows: Range<Int>? = nil) throws -> [Float] {
    try inputs.widened(view, rows: rows, kernels)
  }

  /// Integers of a whole tensor, one after the other; of those that are stored as numbers of fp32 those that are none are -1.
  func integers(_ view: FactorView) throws -> [Int] {
    var raw: [UInt8] = []
    try inputs.read(view.source.input, view.source.range, into: &raw)
    return FactorDecoder.integers(raw, view.source.dtype, count: view.rows * view.columns)
  }

  /// A right factor as the kernels read it.
  func packed(_ view: FactorView) throws -> PackedRight {
    var raw: [UInt8] = []
    let factor = try inputs.read(view, rows: 0..<view.rows, into: &raw)
    return try unsafe PackedRight(factor, in: raw.span.bytes, kernels: kernels)
  }

  /// Decomposes the tensor, in its turn: no two decompositions are in memory at once.
  func decomposing<Result: Sendable>(_ body: (LinearAlgebra) throws -> Result) throws -> Result {
    let path = inputs.path(of: tensor.weight.source.input)
    guard let decomposer else {
      throw MergeError(path: path, tensor: tensor.name, .inconsistentPlan("no LAPACK was opened"))
    }
    return try decomposer.withTurn(path: path, tensor: tensor.name.string, body)
  }

  /// Passes once over what the steps are of, tile by tile, with what they start from.
  ///
  /// - Parameter rowsPerTile: Nil: as many as a tile has elsewhere.
  func forEachTile(
    startingWith start: (any StartStep)?, rowsPerTile: Int? = nil,
    _ body: (Tile, RawSpan, inout TileBuffers) throws -> Void
  ) throws {
    let (source, target) = try inputs.elementTypes(of: tensor)
    var worker = TileWorker(kernels: kernels, inputs: inputs)
    var raw: [UInt8] = []
    let update = tensor.update
    let rowsPerTile = rowsPerTile ?? tileSize.rows(update)
    if case .joined(let joined)? = part {
      let tile = Tile(
        rows: 0..<0, columns: update.columns, source: .f32, target: target, rounding: .nearest, isCompared: false,
        keeping: .nothing)
      var values = FloatBuffer()
      for first in stride(from: 0, to: joined.matrix.rowCount, by: rowsPerTile) {
        let inner = tile.part(first..<min(first + rowsPerTile, joined.matrix.rowCount))
        try joined.read(inner.rows, columns: update.columns, into: &values, &worker.buffers.scratch)
        try unsafe body(inner, values.elements.span.extracting(0..<inner.count).bytes, &worker.buffers)
      }
      return
    }
    for first in stride(from: 0, to: update.rows, by: rowsPerTile) {
      let rows = first..<min(first + rowsPerTile, update.rows)
      var own = rows
      if case .rows(let partial, _)? = part { own = partial.clamped(to: rows) }
      if own.isEmpty { continue }
      let byteCount = try worker.read(tensor, rows: rows, scales: scales, into: &raw)
      let weight = unsafe raw.span.extracting(0..<byteCount).bytes
      let tile = Tile(
        rows: rows, columns: update.columns, source: source, target: target, rounding: .nearest, isCompared: false,
        keeping: .nothing)
      guard case .rows(let partial, let steps)? = part else {
        try worker.buffers.withStart(start, tile, weight: weight) { buffers, start in try body(tile, start, &buffers) }
        continue
      }
      try worker.buffers.run(steps, tile, start: weight)
      let inner = tile.part(own.lowerBound - partial.lowerBound..<own.upperBound - partial.lowerBound)
      let place = (own.lowerBound - rows.lowerBound) * tile.columns
      let values = Array(worker.buffers.value.elements[place..<place + inner.count])
      try unsafe body(inner, values.span.bytes, &worker.buffers)
    }
  }
}

extension InputFiles {
  /// Rows of a matrix in fp32, one after the other; nil: all of them.
  func widened(_ view: FactorView, rows: Range<Int>? = nil, _ kernels: KernelSet) throws -> [Float] {
    var buffer = FloatBuffer()
    var raw: [UInt8] = []
    try buffer.read(view, rows: rows ?? 0..<view.rows, through: &raw, self, kernels)
    return buffer.elements
  }
}
