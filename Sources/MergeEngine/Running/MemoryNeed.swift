import MergePlanning
import Platform
import Safetensors
import TileKernels

/// What a merge holds in memory at the most, in bytes.
public struct MemoryNeed: Sendable, Equatable {
  /// Tiles of all workers.
  public let tiles: Int
  /// Packed factors of as many modules as there are workers, the largest.
  public let factors: Int
  /// Statistics of the rows of as many tensors as there are workers, the largest, and of their tiles.
  public let statistics: Int
  /// The largest decomposition of a tensor, with the tensor as it is and in fp32, and its factors: one is made at a time.
  public let decomposition: Int

  /// The plan with its headers, and the program itself.
  public let tables: Int

  public var total: Int { tiles + factors + statistics + decomposition + tables }

  /// What a merge with standard tiles holds.
  ///
  /// - Parameters:
  ///   - plan: The merge.
  ///   - workers: Threads; those beyond the jobs hold nothing.
  ///   - collectsStatistics: Whether the merge is for a report.
  public init(_ plan: MergePlan, workers: Int, collectsStatistics: Bool = false) {
    self.init(plan, workers: workers, tileSize: .standard, collectsStatistics: collectsStatistics)
  }

  init(_ plan: MergePlan, workers: Int, tileSize: TileSize, collectsStatistics: Bool) {
    let workers = min(workers, TileSchedule(plan, tileSize: tileSize).jobCount)
    let collectsStatistics = collectsStatistics || plan.measuresTensors
    var (tile, work) = (0, 0)
    var packed: [Int] = []
    var rows: [Int] = []
    var tileRows = 0
    for tensor in plan.updatedTensors {
      guard let update = tensor.update else { continue }
      tile = max(tile, Self.tileByteCount(tensor, update, tileSize))
      packed.append(
        update.terms.reduce(Self.decompositionByteCount(update) + Self.scalesByteCount(tensor, update)) {
          $0 + Self.packedByteCount($1)
        })
      if let decomposition = update.decomposition {
        work = max(
          work,
          update.rows * update.columns * tensor.weightDType.bitCount / 8
            + (tensor.quantized?.byteCount(elements: update.rows * update.columns, shape: tensor.shape) ?? 0)
            + DecompositionFactors.workByteCount(decomposition, rows: update.rows, columns: update.columns))
      }
      guard collectsStatistics, update.changesElements, tensor.requantized?.part != .scales else { continue }
      rows.append(update.rows)
      tileRows = max(tileRows, Self.tileRows(tensor, update, tileSize))
    }
    decomposition = work
    tiles = max(tile, OutputFile.pieceByteCount) * workers
    tables =
      Self.programByteCount + plan.tensorCount * Self.tensorByteCount
      + plan.shards.reduce(0) { $0 + $1.headerBytes.count }
    factors = packed.sorted(by: >).prefix(workers).reduce(0, +)
    let rowCount = rows.sorted(by: >).prefix(workers).reduce(0, +) + tileRows * workers
    statistics = rowCount * MemoryLayout<RowStatistics>.stride
  }

  /// The program with its libraries and stacks, as its resident set is before a merge.
  private static let programByteCount = 24 << 20
  /// A tensor in the base's header, in the plan and in the schedule, with its name.
  private static let tensorByteCount = 1 << 10

  /// Of a quantized weight codes and scales, the rows of the base and of the left factor as they are in their files, delta
  /// in fp32, the left factor's or the values' rows in fp32, the former also as a product packs them, and the encoded
  /// output; where there is more than one sum of deltas, also the rows between the stages, their sum with the delta, and
  /// an encoded copy; where a part is taken out of the tensor, also what is left.
  private static func tileByteCount(
    _ tensor: MergePlan.Tensor, _ update: TensorUpdate, _ tileSize: TileSize
  ) -> Int {
    let rows = tileRows(tensor, update, tileSize)
    let views =
      update.terms.map { term in
        switch term.kind {
        case .lowRank(let left, _): left
        case .scaled(let values): values
        }
      } + update.rowReplacements.map(\.values)
    let read =
      views.map { view in
        StridedReads(view, rows: 0..<min(rows, view.rows)).elementCount * view.source.dtype.bitCount / 8
      }.max() ?? 0
    let widest = views.map(\.columns).max() ?? 0
    let rank = update.terms.map(\.rank).max() ?? 0
    let scratch = KernelSet.scratchByteCount(rows: rows, rank: rank)
    let isOneSum =
      update.stages.count <= 1 && update.stages.allSatisfy { $0.magnitude == nil && $0.intermediate == nil }
    let stages = isOneSum && update.decomposition == nil ? 0 : 4 + 4 + 4
    let remainder = update.decomposition == nil ? 0 : tensor.weightDType.bitCount / 8
    // What is made codes again is in fp32 before; the new codes, and what they stand for.
    let output =
      tensor.requantized == nil
      ? tensor.outputDType.bitCount / 8 : 4 + 1 + 4 + (tensor.requantized?.nibbles == nil ? 0 : 4 + 1)
    let element = 4 + tensor.weightDType.bitCount / 8 + output + stages + remainder
    // The rows with what shares scales with them, as they are and in fp32, and what they are compared by.
    let training = tensor.qloraQuantization.map { (rows * update.columns + 2 * $0.block) * 18 } ?? 0
    let codes = tensor.quantized?.byteCount(elements: rows * update.columns, shape: tensor.shape) ?? 0
    return read + codes + training + scratch + rows * (update.columns * element + widest * 4)
  }

  private static func tileRows(_ tensor: MergePlan.Tensor, _ update: TensorUpdate, _ tileSize: TileSize) -> Int {
    tensor.requantized?.tileRows(update, tileSize) ?? min(update.rows, tileSize.rows(columns: update.columns))
  }

  private static func decompositionByteCount(_ update: TensorUpdate) -> Int {
    update.decomposition.map { DecompositionFactors.byteCount($0, rows: update.rows, columns: update.columns) } ?? 0
  }

  /// Of scales that are codes themselves, which take a pass over the tensor.
  private static func scalesByteCount(_ tensor: MergePlan.Tensor, _ update: TensorUpdate) -> Int {
    guard let training = tensor.qloraQuantization, training.isNested else { return 0 }
    return 3 * 4 * (update.rows * update.columns / training.block + 1)
  }

  /// The packed factor, and as it is in its file while it is packed.
  private static func packedByteCount(_ term: DeltaTerm) -> Int {
    guard case .lowRank(_, let right) = term.kind else { return 0 }
    let read = StridedReads(right, rows: 0..<right.rows).elementCount * right.source.dtype.bitCount / 8
    return ((try? PackedRight.byteCount(columns: right.columns, rank: right.rows)) ?? 0) + read
  }
}

extension DeltaTerm {
  /// The length of the sums of a product; 0 where there is none.
  fileprivate var rank: Int {
    guard case .lowRank(let left, _) = kind else { return 0 }
    return left.columns
  }
}
