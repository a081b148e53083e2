import TileKernels

/// A whole tensor merged tile by tile from memory to memory: the kernels of a merge without its reading and writing.
struct StreamingMerge {
  let kernels: KernelSet
  let type: ElementType
  let tile: TileCases
  /// Rows of the tensor, whole tiles.
  let rows: Int
  let weight: Memory
  let output: Memory

  init(_ kernels: KernelSet, _ type: ElementType, tile: TileCases, elements: Int) throws {
    self.kernels = kernels
    self.type = type
    self.tile = tile
    let tiles = max(1, elements / (tile.rows * tile.columns))
    rows = tiles * tile.rows
    weight = try Memory.values(rows * tile.columns, as: type)
    output = Memory(byteCount: rows * tile.columns * type.byteCount)
  }

  private var byteCount: Int { rows * tile.columns * type.byteCount }

  func merge(rank: Int) throws -> KernelCase {
    let right = try tile.packedRight(rank)
    let left = try Memory.values(rows * rank, as: .f32)
    let rowByteCount = tile.columns * type.byteCount
    return KernelCase(
      name: "merge", type: type, rows: rows, columns: tile.columns, rank: rank, byteCount: 2 * byteCount,
      operations: 2 * rows * tile.columns * rank, reference: .copy
    ) { [kernels, type, tile, rows, weight, output] in
      let factors = left.elements(Float.self, rows * rank).span
      for first in stride(from: 0, to: rows, by: tile.rows) {
        let bytes = first * rowByteCount..<(first + tile.rows) * rowByteCount
        var target = output.part(bytes).mutableBytes
        _ = try kernels.mergeLowRank(
          weight.part(bytes).bytes, as: type,
          left: factors.extracting(first * rank..<(first + tile.rows) * rank), right: right, rows: tile.rows,
          scale: 0.5, into: &target, as: type)
      }
    }
  }
}
