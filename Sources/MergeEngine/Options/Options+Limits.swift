import MergePlanning

extension MergeEngine.Options {
  /// Files that are open at once at the most.
  static let largestOpenFileCount = 64

  /// How many workers a merge has: no more than there are jobs, and so many that the files of their shards, two for each,
  /// are not too many.
  func openFileWorkers(_ plan: MergePlan, _ schedule: TileSchedule) -> Int {
    let workers = min(workers, max(1, schedule.jobCount))
    let files = max(plan.shards.count, plan.inputs.count { !$0.isAdapter })
    return min(workers, files) > Self.openBaseCount(plan) ? Self.openBaseCount(plan) : workers
  }

  /// Files of the base that are open at once at the most, and as many of the result: half of what the adapters leave.
  static func openBaseCount(_ plan: MergePlan) -> Int {
    max(1, (largestOpenFileCount - plan.inputs.count { $0.isAdapter }) / 2)
  }

  /// Makes the tiles smaller and the workers fewer until the merge holds no more than `limit` bytes.
  ///
  /// - Throws: ``MergeError/Problem/memory(needed:limit:)`` if it cannot: with the memory of one worker and the smallest
  ///   tiles.
  public mutating func limitMemory(to limit: Int, for plan: MergePlan) throws(MergeError) {
    var count = min(workers, TileSchedule(plan).jobCount)
    var least = Int.max
    while count >= 1 {
      for tileSize in TileSize.all {
        let need = memoryNeed(plan, workers: count, tileSize: tileSize).total
        least = min(least, need)
        guard need <= limit else { continue }
        workers = count
        self.tileSize = tileSize
        return
      }
      count = count == 1 ? 0 : (count + 1) / 2
    }
    throw MergeError(path: plan.inputs[0].path, tensor: nil, .memory(needed: least, limit: limit))
  }

  /// What a merge with these options holds at the most.
  public func memoryNeed(_ plan: MergePlan) -> MemoryNeed {
    memoryNeed(plan, workers: workers, tileSize: tileSize)
  }

  private func memoryNeed(_ plan: MergePlan, workers: Int, tileSize: TileSize) -> MemoryNeed {
    MemoryNeed(
      plan, workers: workers, tileSize: tileSize, collectsStatistics: collectsStatistics, countsReturns: countsReturns)
  }
}
