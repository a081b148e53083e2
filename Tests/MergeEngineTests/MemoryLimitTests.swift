import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import MergeEngine

@Suite struct MemoryLimitTests {
  /// The bytes do not depend on the limit; a limit is kept by what is stated; one byte less than the least is refused with
  /// the least.
  @Test func changesTilesAndWorkersAndNothingElse() throws {
    var random = SeededGenerator()
    let model = try MadeModel(dtype: .bf16, factors: .f32, shapes: [(600, 1000), (17, 33)], &random)
    func merge(_ name: String, _ change: (inout MergeEngine.Options, MergePlan) throws -> Void) throws -> [UInt8] {
      let output = model.output(name)
      let merge = try TestMerge(base: model.base, adapter: model.adapter, output: output)
      var options = MergeEngine.Options(workers: 3)
      options.nonFinite = .warn
      try change(&options, merge.plan)
      try MergeEngine(merge.plan, options: options).run(to: merge.place, sideFiles: merge.sideFiles)
      return try contents(output)
    }
    let free = try merge("free") { _, _ in }
    for (number, size) in TileSize.all.enumerated() {
      #expect(try merge("size\(number)") { options, _ in options.tileSize = size } == free, "\(random)")
    }
    let plan = try TestMerge(base: model.base, adapter: model.adapter, output: model.output("x")).plan
    let smallest = try #require(TileSize.all.last)
    let least = MemoryNeed(plan, workers: 1, tileSize: smallest, collectsStatistics: false).total
    let most = MemoryNeed(plan, workers: 3).total
    #expect(least < most)
    for (number, limit) in [least, (least + most) / 2, most].enumerated() {
      let bytes = try merge("limit\(number)") { options, plan in
        try options.limitMemory(to: limit, for: plan)
        #expect(options.memoryNeed(plan).total <= limit)
        if limit == least { #expect(options.workers == 1) }
        if limit == most { #expect(options.workers == 3 && options.tileSize == .standard) }
      }
      #expect(bytes == free, "\(random)")
    }
    let error = refusal {
      var options = MergeEngine.Options(workers: 3)
      try options.limitMemory(to: least - 1, for: plan)
    }
    #expect((error as? MergeError)?.problem == .memory(needed: least, limit: least - 1))
  }
}
