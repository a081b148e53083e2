import TileKernels

/// Kernels on one tile, as the engine calls them: everything stays in a core's own cache.
struct TileCases {
  let kernels: KernelSet
  let rows: Int
  let columns: Int

  private var count: Int { rows * columns }

  static let plainNames = ["clear", "rowNorms", "torchRowNorms", "addColumnSquares"]
  static let weightedNames = ["widen", "sum", "combine", "encode", "rescaleRows", "rescaleColumns", "compare"]

  /// The low-rank product at one rank.
  func lowRank(_ rank: Int) throws -> KernelCase {
    let delta = Memory(byteCount: count * 4)
    let left = try Memory.values(rows * rank, as: .f32)
    let right = try packedRight(rank)
    return KernelCase(
      name: "addLowRank", type: nil, rows: rows, columns: columns, rank: rank,
      byteCount: 4 * (2 * count + rows * rank + columns * rank), operations: 2 * count * rank,
      reference: .multiplyAdds
    ) { [kernels, rows, count] in
      var span = delta.elements(Float.self, count).mutableSpan
      // The sum grows by so little that it stays finite over any number of calls.
      try kernels.addLowRank(
        to: &span, left: left.elements(Float.self, rows * rank).span, right: right, rows: rows, scale: 0x1p-40)
    }
  }

  /// The low-rank product at one rank merged with weights of a dtype.
  func mergeLowRank(_ rank: Int, _ type: ElementType) throws -> KernelCase {
    let byteCount = count * type.byteCount
    let (weight, output) = (try Memory.values(count, as: type), Memory(byteCount: byteCount))
    let left = try Memory.values(rows * rank, as: .f32)
    let right = try packedRight(rank)
    return KernelCase(
      name: "mergeLowRank", type: type, rows: rows, columns: columns, rank: rank,
      byteCount: 2 * byteCount + 4 * (rows * rank + columns * rank), operations: 2 * count * rank,
      reference: .multiplyAdds
    ) { [kernels, rows] in
      var target = output.part(0..<byteCount).mutableBytes
      _ = try kernels.mergeLowRank(
        weight.part(0..<byteCount).bytes, as: type, left: left.elements(Float.self, rows * rank).span, right: right,
        rows: rows, scale: 0.5, into: &target, as: type)
    }
  }

  /// Packing the right factor, which is done once a tensor.
  func packRight(_ rank: Int) throws -> KernelCase {
    let bytes = try Memory.values(rank * columns, as: .f32)
    let factor = try StridedFactor(elementType: .f32, rows: rank, columns: columns, rowStride: columns)
    return KernelCase(
      name: "packRight", type: .f32, rows: rank, columns: columns, rank: rank, byteCount: 8 * rank * columns,
      operations: 0, reference: .copy
    ) { [kernels] in
      _ = try PackedRight(factor, in: bytes.part(0..<bytes.bytes.count).bytes, kernels: kernels)
    }
  }

  func packedRight(_ rank: Int) throws -> PackedRight {
    let bytes = try Memory.values(rank * columns, as: .f32)
    let factor = try StridedFactor(elementType: .f32, rows: rank, columns: columns, rowStride: columns)
    return try PackedRight(factor, in: bytes.part(0..<rank * columns * 4).bytes, kernels: kernels)
  }

  /// Kernels that do not look at weights.
  func plain() throws -> [KernelCase] {
    let values = try Memory.values(count, as: .f32)
    let norms = Memory(byteCount: rows * 4)
    let squares = Memory(byteCount: columns * 8)
    func make(_ name: String, _ byteCount: Int, _ work: @escaping () throws -> Void) -> KernelCase {
      KernelCase(
        name: name, type: nil, rows: rows, columns: columns, rank: nil, byteCount: byteCount, operations: 0,
        reference: .copy, work: work)
    }
    return [
      make("clear", 4 * count) { [count] in
        var span = values.elements(Float.self, count).mutableSpan
        try KernelSet.clear(&span, count: count)
      },
      make("rowNorms", 4 * (count + rows)) { [kernels, rows, columns, count] in
        var span = norms.elements(Float.self, rows).mutableSpan
        try kernels.norms.rows(of: values.elements(Float.self, count).span, rows: rows, columns: columns, into: &span)
      },
      make("torchRowNorms", 4 * (count + rows)) { [kernels, rows, columns, count] in
        var span = norms.elements(Float.self, rows).mutableSpan
        try kernels.norms.torchRows(
          of: values.elements(Float.self, count).span, rows: rows, columns: columns, into: &span)
      },
      make("addColumnSquares", 4 * count + 16 * columns) { [kernels, rows, columns, count] in
        var span = squares.elements(Double.self, columns).mutableSpan
        try kernels.norms.addColumnSquares(
          of: values.elements(Float.self, count).span, rows: rows, columns: columns, to: &span)
      },
    ]
  }

  /// Kernels that read or write weights of a dtype.
  func weighted(_ type: ElementType) throws -> [KernelCase] {
    let byteCount = count * type.byteCount
    let weight = try Memory.values(count, as: type)
    let delta = try Memory.values(count, as: .f32)
    let sums = Memory(byteCount: count * 4)
    let output = Memory(byteCount: byteCount)
    let (rowFactors, columnFactors) = (try Memory.values(rows, as: .f32), try Memory.values(columns, as: .f32))
    let statistics = UnsafeMutableBufferPointer<RowStatistics>.allocate(capacity: rows)
    statistics.initialize(repeating: RowStatistics())
    let owner = StatisticsOwner(statistics)
    func make(_ name: String, _ byteCount: Int, _ work: @escaping () throws -> Void) -> KernelCase {
      KernelCase(
        name: name, type: type, rows: rows, columns: columns, rank: nil, byteCount: byteCount, operations: 0,
        reference: .copy, work: work)
    }
    // Encoding and rescaling look at a weight only where the value is NaN.
    return [
      make("widen", byteCount + 4 * count) { [kernels, count] in
        var span = sums.elements(Float.self, count).mutableSpan
        try kernels.widen(weight.part(0..<byteCount).bytes, as: type, into: &span)
      },
      make("sum", byteCount + 8 * count) { [kernels, count] in
        var span = sums.elements(Float.self, count).mutableSpan
        try kernels.sum(
          weight.part(0..<byteCount).bytes, as: type, with: delta.elements(Float.self, count).span, into: &span)
      },
      make("combine", 2 * byteCount + 4 * count) { [kernels, count] in
        var span = output.part(0..<byteCount).mutableBytes
        _ = try kernels.combine(
          weight.part(0..<byteCount).bytes, as: type, with: delta.elements(Float.self, count).span, into: &span,
          as: type)
      },
      make("encode", byteCount + 4 * count) { [kernels, count] in
        var span = output.part(0..<byteCount).mutableBytes
        _ = try kernels.encode(
          delta.elements(Float.self, count).span, for: weight.part(0..<byteCount).bytes, as: type, into: &span, as: type
        )
      },
      make("rescaleRows", byteCount + 4 * count + 4 * rows) { [kernels, rows, columns, count] in
        var span = output.part(0..<byteCount).mutableBytes
        _ = try kernels.rescaling.rows(
          weight.part(0..<byteCount).bytes, as: type, values: delta.elements(Float.self, count).span,
          by: rowFactors.elements(Float.self, rows).span, columns: columns, into: &span, as: type)
      },
      make("rescaleColumns", byteCount + 4 * count + 4 * columns) { [kernels, rows, columns, count] in
        var span = output.part(0..<byteCount).mutableBytes
        _ = try kernels.rescaling.columns(
          weight.part(0..<byteCount).bytes, as: type, values: delta.elements(Float.self, count).span,
          by: columnFactors.elements(Float.self, columns).span, rows: rows, into: &span, as: type)
      },
      make("compare", 2 * byteCount + 4 * count) { [kernels, rows, columns, count] in
        var span = owner.statistics.mutableSpan
        try kernels.compare(
          output.part(0..<byteCount).bytes, as: type, with: weight.part(0..<byteCount).bytes, as: type,
          intended: delta.elements(Float.self, count).span, are: .deltas, rows: rows, columns: columns, into: &span)
      },
    ]
  }

  private final class StatisticsOwner {
    let statistics: UnsafeMutableBufferPointer<RowStatistics>
    init(_ statistics: UnsafeMutableBufferPointer<RowStatistics>) { self.statistics = statistics }
    deinit { statistics.deallocate() }
  }
}
