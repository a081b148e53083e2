import Merging
import Safetensors
import TestSupport
import Testing

@testable import MergeEngine
@testable import MergePlanning

/// Tuners whose rows depend on each other, or on their place: the same bytes for every tile size, number of threads, and with
/// statistics.
@Suite struct TunerTileTests {
  @Test(
    arguments: [
      "road-linear-bf16", "road-rows-f32", "road-products-f16", "miss-bat-bf16", "boft-factors-bf16", "boft-conv-f32",
      "c3a-pattern-bf16", "gralora-hybrid-f16",
    ], [MergeOptions.Arithmetic.exact, .peft])
  func tilesDoNotMatter(_ name: String, _ arithmetic: MergeOptions.Arithmetic) throws {
    let testCase = try FixtureCase.named(name)
    let scratch = try Scratch()
    func merged(_ path: String, _ change: (inout MergeEngine.Options) -> Void) throws -> [TensorName: [UInt8]] {
      var request = try testCase.merge(to: scratch.file(path)) { $0.arithmetic = arithmetic }.request
      request.isDryRun = false
      change(&request.engine)
      try request.prepare().run()
      return try loadTensors(scratch.file(path)).mapValues { Array($0.data) }
    }
    let expected = try merged("one") { $0.workers = 1 }
    let rows = try merged("rows") { $0.tileSize = TileSize(elementCount: 1, smallestRowCount: 1) }
    #expect(rows == expected)
    let odd = try merged("odd") {
      $0.tileSize = TileSize(elementCount: 90, smallestRowCount: 3)
      $0.workers = 3
      $0.collectsStatistics = true
    }
    #expect(odd == expected)
  }

  @Test func aTileHoldsWholeUnits() throws {
    let scratch = try Scratch()
    let plan = try FixtureCase.named("road-rows-bf16").merge(to: scratch.file("merged")).plan
    let mixed = plan.updatedTensors.map(\.update).filter { $0.rows > 1 }
    #expect(mixed.count == 2)
    for update in mixed {
      #expect(update.rowUnit == 8)
      let size = TileSize(elementCount: 1, smallestRowCount: 1)
      #expect(size.rows(update) == 8 && update.wholeUnits(9) == 16 && update.wholeUnits(8) == 8)
    }
  }
}
