import Adapters
import MergePlanning
import TileKernels

/// Neighboring factors of a butterfly as one matrix, whose blocks are of runs of columns that lie apart.
struct Butterfly: ValueStep {
  private let blocks: PackedBlocks
  private let runs: Runs

  /// The columns of a block: `count` runs of `length`, each `distance` runs behind the one before.
  private struct Runs {
    let length: Int
    let count: Int
    let distance: Int
  }

  var isSum: Bool { false }

  static func memory(_ place: StepPlace, factors: [FactorView], size: Int) -> StepMemory {
    let width = size << (factors.count - 1)
    var memory = PreparedBlocks.memory(place, count: place.tensor.update.columns / width, size: width)
    // The tile with its columns in another order.
    memory.perElement += 4
    memory.work += factors.reduce(0) { $0 + $1.rows * $1.columns * 4 } + 7 * size * size * 8
    return memory
  }

  static func prepared(
    _ factors: [FactorView], size: Int, level: Int, _ context: StepContext
  ) throws -> any ValueStep {
    let values = try factors.map { try context.widened($0) }
    let runs = Runs(length: size / 2, count: 1 << factors.count, distance: 1 << level)
    // A single factor's blocks may be of an odd number of columns.
    let width = size << (factors.count - 1)
    let blocks = try PackedBlocks(
      (0..<context.tensor.update.columns / width).lazy.map { number in
        factors.count == 1
          ? cayley(values[0], number, size: size).elements.map { Float($0) }
          : product(values, number, size: size, runs).map { Float($0) }
      }, size: width, kernels: context.kernels)
    return level == 0 ? PreparedBlocks(blocks: blocks) : Butterfly(blocks: blocks, runs: runs)
  }

  /// A block of a factor, less the identity, in double.
  private static func cayley(_ values: [Float], _ number: Int, size: Int) -> CayleyBlock {
    let first = number * size * size
    var skew = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for column in 0..<size {
        let (one, other) = (values[first + row * size + column], values[first + column * size + row])
        skew[row * size + column] = (Double(one) - Double(other)) / 2
      }
    }
    return CayleyBlock(skew: skew, size: size, Cayley(terms: nil, limit: nil, isTransposed: true))
  }

  /// A block of the factors' product, less the identity, in double: `(I + E) (I + D) - I = E + D + E D` for one after another.
  private static func product(_ factors: [[Float]], _ number: Int, size: Int, _ runs: Runs) -> [Double] {
    let width = runs.length * runs.count
    // The block's first run of columns.
    let start = number / runs.distance * runs.distance * runs.count + number % runs.distance
    var product = [Double](repeating: 0, count: width * width)
    var row = [Double](repeating: 0, count: size)
    for (step, values) in factors.enumerated() {
      let distance = runs.distance << step
      for run in 0..<runs.count where run >> step & 1 == 0 {
        let place = start + run * runs.distance
        let block = cayley(values, place / (2 * distance) * distance + place % distance, size: size).elements
        // Its columns in the product.
        let columns = (0..<size).map {
          $0 < runs.length ? run * runs.length + $0 : (run + 1 << step) * runs.length + $0 - runs.length
        }
        for index in 0..<width {
          for column in 0..<size { row[column] = 0 }
          for inner in 0..<size {
            let factor = product[index * width + columns[inner]]
            for column in 0..<size { row[column] += factor * block[inner * size + column] }
          }
          for column in 0..<size { product[index * width + columns[column]] += row[column] }
        }
        for inner in 0..<size {
          for column in 0..<size {
            product[columns[inner] * width + columns[column]] += block[inner * size + column]
          }
        }
      }
    }
    return product
  }

  private init(blocks: PackedBlocks, runs: Runs) {
    (self.blocks, self.runs) = (blocks, runs)
  }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    var part = buffers.scratch.parts.popLast() ?? FloatBuffer()
    part.transposeRuns(
      of: buffers.value, count: tile.count, length: runs.length, rows: runs.count, columns: runs.distance)
    try buffers.delta.addBlockProducts(
      of: part, rows: tile.rows.count, columns: tile.columns, blocks, buffers.kernels)
    buffers.value.transposeRuns(
      of: buffers.delta, count: tile.count, length: runs.length, rows: runs.distance, columns: runs.count)
    buffers.scratch.parts.append(part)
  }
}
