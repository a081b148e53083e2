import Adapters
import MergePlanning
import Platform
import Safetensors
import TileKernels

/// The most memory that a merge holds, in bytes.
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

  /// - Parameter countsReturns: Whether deltas are taken back.
  init(_ plan: MergePlan, workers: Int, tileSize: TileSize, collectsStatistics: Bool, countsReturns: Bool = false) {
    let workers = min(workers, TileSchedule(plan, tileSize: tileSize).jobCount)
    let collectsStatistics = collectsStatistics || plan.measuresTensors
    var (tile, work) = (0, 0)
    var packed: [Int] = []
    var rows: [Int] = []
    var tileRows = 0
    for tensor in plan.updatedTensors {
      let update = tensor.update
      let returning = countsReturns ? tensor.tileRows(tileSize) * update.columns * ReturnTrip.memoryPerElement : 0
      tile = max(tile, Self.tileByteCount(tensor, tileSize) + returning)
      let steps = Self.steps(tensor, tileSize)
      packed.append(steps.shared + tensor.weight.sharedScalesByteCount(elements: update.rows * update.columns))
      work = max(work, steps.work)
      guard collectsStatistics, update.changesElements, tensor.encoding.hasStatistics else { continue }
      rows.append(update.rows)
      tileRows = max(tileRows, tensor.tileRows(tileSize))
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

  /// A tile of a tensor: what it is read from, what the steps compute in, and what is written.
  private static func tileByteCount(_ tensor: ComputedTensor, _ tileSize: TileSize) -> Int {
    let elements = tensor.tileRows(tileSize) * tensor.update.columns
    return source(tensor, elements) + steps(tensor, tileSize, elements)
      + tensor.encoding.byteCount(elements: elements, as: tensor.outputDType)
  }

  /// The rows of the base, and what they are read by.
  private static func source(_ tensor: ComputedTensor, _ elements: Int) -> Int {
    tensor.weight.readerByteCount(elements: elements, shape: tensor.shape)
      + elements * tensor.weight.dtype.bitCount / 8
  }

  /// A delta in fp32 and what the steps have besides: rows of factors, and the rows between the steps.
  private static func steps(_ tensor: ComputedTensor, _ tileSize: TileSize, _ elements: Int) -> Int {
    let steps = steps(tensor, tileSize)
    return steps.rows + steps.products + tensor.tileRows(tileSize) * steps.widest * 4
      + elements * (4 + steps.perElement)
  }

  private static func steps(_ tensor: ComputedTensor, _ tileSize: TileSize) -> StepMemory {
    let place = StepPlace(tensor: tensor, tileRows: tensor.tileRows(tileSize))
    return tensor.update.steps.reduce(into: StepMemory()) { $0 += $1.engineStep.memory(place) }
  }
}
