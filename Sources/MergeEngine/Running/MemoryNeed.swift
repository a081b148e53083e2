import Adapters
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
      let steps = Self.steps(tensor, update, tileSize)
      packed.append(steps.shared + Self.scalesByteCount(tensor, update))
      work = max(work, steps.work)
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

  /// A tile of a tensor: what it is read from, what the steps compute in, and what is written.
  private static func tileByteCount(
    _ tensor: MergePlan.Tensor, _ update: TensorUpdate, _ tileSize: TileSize
  ) -> Int {
    let rows = tileRows(tensor, update, tileSize)
    let elements = rows * update.columns
    return source(tensor, elements) + steps(tensor, update, tileSize, elements) + sink(tensor, elements)
  }

  /// The rows of the base and, of a quantized weight, its codes and scales.
  private static func source(_ tensor: MergePlan.Tensor, _ elements: Int) -> Int {
    // The rows with what shares scales with them, as they are and in fp32, and what they are compared by.
    let training = tensor.qloraQuantization.map { (elements + 2 * $0.block) * 18 } ?? 0
    let codes = tensor.quantized?.byteCount(elements: elements, shape: tensor.shape) ?? 0
    return codes + training + elements * tensor.weightDType.bitCount / 8
  }

  /// A delta in fp32 and what the steps have besides: rows of factors, and the rows between the steps.
  private static func steps(
    _ tensor: MergePlan.Tensor, _ update: TensorUpdate, _ tileSize: TileSize, _ elements: Int
  ) -> Int {
    let steps = steps(tensor, update, tileSize)
    return steps.rows + steps.products + tileRows(tensor, update, tileSize) * steps.widest * 4
      + elements * (4 + steps.perElement)
  }

  /// The rows that are written. What is made codes again is in fp32 before; the new codes, and what they stand for.
  private static func sink(_ tensor: MergePlan.Tensor, _ elements: Int) -> Int {
    guard let requantized = tensor.requantized else { return elements * tensor.outputDType.bitCount / 8 }
    return elements * (4 + 1 + 4 + (requantized.nibbles == nil ? 0 : 4 + 1))
  }

  private static func steps(_ tensor: MergePlan.Tensor, _ update: TensorUpdate, _ tileSize: TileSize) -> StepMemory {
    let place = StepPlace(tensor: tensor, update: update, tileRows: tileRows(tensor, update, tileSize))
    return update.steps.reduce(into: StepMemory()) { $0 += $1.engineStep.memory(place) }
  }

  private static func tileRows(_ tensor: MergePlan.Tensor, _ update: TensorUpdate, _ tileSize: TileSize) -> Int {
    tensor.requantized?.tileRows(update, tileSize) ?? min(update.rows, tileSize.rows(columns: update.columns))
  }

  /// Of scales that are codes themselves, which take a pass over the tensor.
  private static func scalesByteCount(_ tensor: MergePlan.Tensor, _ update: TensorUpdate) -> Int {
    guard let training = tensor.qloraQuantization, training.isNested else { return 0 }
    return 3 * 4 * (update.rows * update.columns / training.block + 1)
  }
}
