import Testing
import TileKernels

@Suite("Products of rows with blocks along a diagonal")
struct BlockTests {
  @Test("Every size of blocks and number of rows, and one block that is all")
  func sizes() throws {
    var random = SeededGenerator()
    for size in Array(1...19) + [31, 32, 33, 48, 64, 100] {
      for rows in [0, 1, 2, 3, 5, 8, 15] {
        for (count, fitting) in [(1, 1), (3, 3), (1, 3)] {
          let columns = fitting * size
          let values = random.floats(rows * columns)
          let blocks = (0..<count).map { _ in random.floats(size * size) }
          let expected = (0..<rows * columns).map { place in
            let start = place % columns / size * size
            let block = blocks[count == 1 ? 0 : start / size]
            var sum = Float(0)
            for k in 0..<size {
              sum.addProduct(values[place / columns * columns + start + k], block[k * size + (place % columns - start)])
            }
            return values[place] + sum
          }
          for kernels in KernelSet.available {
            var found = [Float](repeating: 7, count: rows * columns + 1)
            var span = found.mutableSpan
            try kernels.blocks.addProducts(
              of: values.span, rows: rows, columns: columns,
              with: try PackedBlocks(blocks, size: size, kernels: kernels),
              into: &span)
            #expect(found.removeLast() == 7)
            #expect(
              difference(found, expected) == nil, "\(kernels.name), \(rows) x \(columns), blocks of \(size), \(random)")
          }
        }
      }
    }
  }

  @Test("Spans that are too short, and blocks that don't fit, are refused", arguments: 0..<4)
  func tooShort(which: Int) throws {
    let values = [Float](repeating: 1, count: which == 0 ? 11 : 12)
    var sums = [Float](repeating: 7, count: which == 1 ? 11 : 12)
    let blocks = try PackedBlocks(
      [[Float]](repeating: [1, 2, 3, 4], count: which == 2 ? 3 : 2), size: 2)
    var span = sums.mutableSpan
    #expect(throws: ShapeError.self) {
      try KernelSet.best.blocks.addProducts(
        of: values.span, rows: which == 3 ? 4 : 3, columns: which == 3 ? 3 : 4, with: blocks, into: &span)
    }
    #expect(sums.allSatisfy { $0 == 7 })
    #expect(throws: ShapeError.self) { try PackedBlocks([[1, 2, 3]], size: 2) }
  }
}
