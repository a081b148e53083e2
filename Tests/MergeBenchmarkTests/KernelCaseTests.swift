import CBenchmark
import Testing
import TileKernels

@testable import MergeBenchmark

/// The cases of `MergeBenchmark kernels` run on every instruction set of this machine.
@Suite struct KernelCaseTests {
  @Test func everyCaseRuns() throws {
    for kernels in KernelSet.available {
      let tile = TileCases(kernels: kernels, rows: 3, columns: 40)
      var cases = try [1, 5].flatMap { [try tile.lowRank($0), try tile.packRight($0)] } + tile.plain()
      for type in ElementType.allCases {
        cases += try tile.weighted(type) + tile.decoding(type)
        cases.append(try StreamingMerge(kernels, type, tile: tile, elements: 500).merge(rank: 2))
      }
      for kernelCase in cases {
        #expect(kernelCase.byteCount > 0)
        try kernelCase.work()
      }
      #expect(try tile.plain().map(\.name) == TileCases.plainNames)
      #expect(try tile.weighted(.bf16).map(\.name) == TileCases.weightedNames)
      #expect(try tile.decoding(.bf16).map(\.name) == TileCases.decodingNames)
    }
  }

  @Test func everySetHasAPeak() {
    for kernels in KernelSet.available {
      #expect(cbm_fma_step_operations(kernels.name) > 0)
      #expect(cbm_fma_steps(kernels.name, 100).isFinite)
    }
    #expect(cbm_fma_step_operations("unknown") == 0)
  }

  @Test func batchesTakeTurns() throws {
    var order: [Int] = []
    let result = try Stopwatch(batches: 3, batchSeconds: 0).compare {
      order.append(1)
    } with: {
      order.append(0)
    }
    #expect(result.share.values.count == 3)
    #expect(Array(order.suffix(6)) == [0, 1, 0, 1, 0, 1])
  }
}
