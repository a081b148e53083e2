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
    return PreparedCirculant(kernels: buffer, size: size, columns: kernels.columns)
  }
}

/// Kernels in fp32, a row for the blocks beside each other.
struct PreparedCirculant: PreparedFormula {
  let kernels: FloatBuffer
  let size: Int
  let columns: Int

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    var whole = scratch.parts.popLast() ?? FloatBuffer()
    whole.grow(to: columns)
    for row in rows {
      let (source, turned) = (row / size * columns, row % size)
      for block in stride(from: 0, to: columns, by: size) {
        whole.set(block..<block + turned, to: kernels, from: source + block + size - turned, factor: 1)
        whole.set(block + turned..<block + size, to: kernels, from: source + block, factor: 1)
      }
      try delta.addScaled(
        whole, rows: 1, columns: columns, scale: scale, at: offset + (row - rows.lowerBound) * rowStride,
        rowStride: rowStride, scratch.kernels)
    }
    scratch.parts.append(whole)
  }
}
