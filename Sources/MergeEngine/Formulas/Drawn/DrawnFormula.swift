import Adapters
import MergePlanning
import Safetensors
import TileKernels
import TorchRandom

/// Random numbers, all of which are drawn once for a tensor.
struct DrawnFormula: FormulaEvaluation {
  let draw: Draw

  func memory(_ place: StepPlace) -> StepMemory {
    StepMemory(perElement: 4, shared: draw.count * MemoryLayout<Float>.stride)
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    PreparedDraw(draw: draw, numbers: draw.roundedNumbers)
  }
}

/// The drawn tensor.
struct PreparedDraw: PreparedFormula {
  let draw: Draw
  let numbers: [Float]

  var columns: Int { draw.isTransposed ? draw.rows : draw.columns }

  func add(
    rows: Range<Int>, scale: Float, to delta: inout FloatBuffer, at offset: Int, rowStride: Int,
    _ scratch: inout FactorScratch
  ) throws {
    var part = scratch.parts.popLast() ?? FloatBuffer()
    part.grow(to: columns)
    for row in rows {
      fill(&part, row)
      try delta.addScaled(
        part, rows: 1, columns: columns, scale: scale, at: offset + (row - rows.lowerBound) * rowStride,
        rowStride: rowStride, scratch.kernels)
    }
    scratch.parts.append(part)
  }

  /// Sets the first elements to those of a row.
  private func fill(_ part: inout FloatBuffer, _ row: Int) {
    if draw.isTransposed {
      part.set(0..<columns, to: numbers, from: draw.place(row: row, column: 0), step: draw.rowStride)
      return
    }
    for first in stride(from: 0, to: columns, by: draw.blockColumns) {
      part.set(
        first..<min(first + draw.blockColumns, columns), to: numbers, from: draw.place(row: row, column: first),
        step: 1)
    }
  }
}

extension Draw {
  /// All numbers of the tensor.
  fileprivate var roundedNumbers: [Float] {
    var values = torchNumbers
    switch dtype {
    case .bf16: for index in values.indices { values[index] = values[index].roundedToBF16 }
    case .f16: for index in values.indices { values[index] = Float(Float16(values[index])) }
    default: break
    }
    return values
  }

  /// The same before they are rounded to the weights' dtype.
  private var torchNumbers: [Float] {
    var generator = TorchGenerator(seed: seed)
    generator.skip(skipped)
    switch numbers {
    case .uniform(let bound): return generator.uniform(count, from: -bound, to: bound)
    case .normalizedBF16(let bound):
      var values = generator.uniformBF16(count, from: -bound, to: bound)
      let deviation = Self.deviation(of: values).roundedToBF16
      for index in values.indices { values[index] = (values[index] / deviation).roundedToBF16 }
      return values
    case .signs(let sparsity):
      var values = generator.uniform(count, from: 0, to: 1)
      let (lower, upper) = (Float(1 / (2 * sparsity)), Float(1 - 1 / (2 * sparsity)))
      for index in values.indices { values[index] = values[index] < lower ? -1 : values[index] > upper ? 1 : 0 }
      let deviation = Self.deviation(of: values)
      for index in values.indices { values[index] /= deviation }
      return values
    }
  }

  /// The standard deviation, in double and with one number less than there are, rounded once.
  private static func deviation(of values: [Float]) -> Float {
    var sum = 0.0
    for value in values { sum += Double(value) }
    let mean = sum / Double(values.count)
    var squares = 0.0
    for value in values { squares += (Double(value) - mean) * (Double(value) - mean) }
    return Float((squares / Double(values.count - 1)).squareRoot())
  }
}
