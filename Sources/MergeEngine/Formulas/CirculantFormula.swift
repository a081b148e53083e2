import MergePlanning
import Safetensors
import TileKernels

/// Blocks whose rows are each the one above, turned by one: the kernels are in memory, and rows are put together of them.
struct CirculantFormula: FormulaEvaluation {
  let kernels: FactorView
  let size: Int

  func memory(_ place: StepPlace) -> StepMemory {
    let count = kernels.rows * kernels.columns * MemoryLayout<Float>.stride
    // The kernels as they are in their file while they are widened, and a row.
    var memory = StepMemory(
      shared: count,
      work: StridedReads(kernels, rows: 0..<kernels.rows).elementCount * kernels.source.dtype.bitCount / 8)
    memory.rows = kernels.columns * MemoryLayout<Float>.stride
    return memory
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    var buffer = FloatBuffer()
    buffer.set(try context.widened(kernels))
    return PreparedCirculant(blocks: buffer, size: size, columns: kernels.columns)
  }
}

/// Kernels in fp32, a row for the blocks beside each other.
struct PreparedCirculant: PreparedRows {
  let blocks: FloatBuffer
  let size: Int
  let columns: Int

  func parts(of run: Range<Int>, _ scratch: inout FactorScratch) throws {}

  func setRow(
    _ row: Int, of parts: Void, scale: Float, _ buffer: inout FloatBuffer, at offset: Int, _ kernels: KernelSet
  ) throws {
    let (source, turned) = (row / size * columns, row % size)
    for block in stride(from: 0, to: columns, by: size) {
      let (place, first) = (offset + block, source + block)
      try buffer.setRow(
        place..<place + turned, to: blocks, from: first + size - turned..<first + size, scale: scale, kernels)
      try buffer.setRow(
        place + turned..<place + size, to: blocks, from: first..<first + size - turned, scale: scale, kernels)
    }
  }

  func buffers(of parts: Void) -> [FloatBuffer] { [] }
}
