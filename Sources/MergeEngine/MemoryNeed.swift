import MergePlanning
import TileKernels

/// What a merge holds in memory at the most, in bytes; pages of mapped files, which the system takes back when it needs
/// them, are not counted.
public struct MemoryNeed: Sendable, Equatable {
  /// Tiles of all workers.
  public let tiles: Int
  /// Packed factors of as many modules as there are workers, the largest.
  public let factors: Int
  /// Statistics of the rows of as many tensors as there are workers, the largest, and of their tiles.
  public let statistics: Int
  /// The largest decomposition of a tensor, with the tensor in fp32 and its factors: one is made at a time.
  public let decomposition: Int

  public var total: Int { tiles + factors + statistics + decomposition }

  public init(_ plan: MergePlan, workers: Int, collectsStatistics: Bool = false) {
    let workers = min(workers, TileSchedule(plan).jobCount)
    var (tile, work) = (0, 0)
    var packed: [Int] = []
    var rows: [Int] = []
    var tileRows = 0
    for tensor in plan.updatedTensors {
      guard let update = tensor.update else { continue }
      tile = max(tile, Self.tileByteCount(tensor, update))
      packed.append(update.terms.reduce(Self.residualByteCount(update)) { $0 + Self.packedByteCount($1) })
      if let residual = update.residual {
        work = max(work, ResidualFactors.workByteCount(residual, rows: update.rows, columns: update.columns))
      }
      guard collectsStatistics, update.changesElements else { continue }
      rows.append(update.rows)
      tileRows = max(tileRows, min(update.rows, TileSchedule.rowsPerTile(columns: update.columns)))
    }
    decomposition = work
    tiles = tile * workers
    factors = packed.sorted(by: >).prefix(workers).reduce(0, +)
    let rowCount = rows.sorted(by: >).prefix(workers).reduce(0, +) + tileRows * workers
    statistics = rowCount * MemoryLayout<RowStatistics>.stride
  }

  /// Delta in fp32, the left factor's or the values' rows in fp32, and the encoded output; where there is more than one sum
  /// of deltas, also the rows between the stages, their sum with the delta, and an encoded copy; where a part is taken out
  /// of the tensor, also what is left.
  private static func tileByteCount(_ tensor: MergePlan.Tensor, _ update: TensorUpdate) -> Int {
    let rows = min(update.rows, TileSchedule.rowsPerTile(columns: update.columns))
    let widest =
      update.terms.map { term in
        switch term.kind {
        case .lowRank(let left, _): left.columns
        case .scaled(let values): values.columns
        }
      }.max() ?? 0
    let isOneSum =
      update.stages.count <= 1 && update.stages.allSatisfy { $0.magnitude == nil && $0.intermediate == nil }
    let stages = isOneSum && update.residual == nil ? 0 : 4 + 4 + 4
    let remainder = update.residual == nil ? 0 : tensor.source.dtype.bitCount / 8
    return rows * (update.columns * (4 + tensor.outputDType.bitCount / 8 + stages + remainder) + widest * 4)
  }

  private static func residualByteCount(_ update: TensorUpdate) -> Int {
    update.residual.map { ResidualFactors.byteCount($0, rows: update.rows, columns: update.columns) } ?? 0
  }

  private static func packedByteCount(_ term: DeltaTerm) -> Int {
    guard case .lowRank(_, let right) = term.kind else { return 0 }
    return (try? PackedRight.byteCount(columns: right.columns, rank: right.rows)) ?? 0
  }
}
