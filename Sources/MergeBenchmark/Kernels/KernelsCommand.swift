import ArgumentParser
import TileKernels

struct KernelsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "Measure the kernels against the processor's multiply-adds and against memcpy.",
    discussion: """
      One thread. Low-rank products are compared with fused multiply-adds on registers, the rest with memcpy that reads \
      and writes as many bytes in buffers of the same size; batches of both take turns. GB/s count bytes read and \
      written. The shares are medians over the batches.

      Examples:
        MergeBenchmark kernels
        MergeBenchmark kernels --only addLowRank --ranks 32,64 --set avx512
      """)

  @Option(help: "Instruction sets, separated by commas. Default: all that this machine has.")
  var set: String?

  @Option(help: "Kernels, separated by commas. Default: all.")
  var only: String?

  @Option(help: "Ranks, separated by commas.")
  var ranks = "1,2,4,8,16,32,64,128,256,512"

  @Option(help: "Columns of the tiles, separated by commas.")
  var columns = "2048,8192"

  @Option(help: "Dtypes of the weights, separated by commas.")
  var dtypes = "bf16,f16,f32"

  @Option(help: "Elements of a tile.")
  var tileElements = 128 << 10

  @Option(help: "Elements of the tensors that do not fit the caches.")
  var streamingElements = 32 << 20

  @Option(help: "Batches of each measurement.")
  var batches = 7

  @Option(help: "Milliseconds of a batch, at least.")
  var batchMilliseconds = 20

  @Flag(help: "Print JSON lines.")
  var json = false

  func validate() throws {
    for (option, value) in [
      ("--tile-elements", tileElements), ("--streaming-elements", streamingElements), ("--batches", batches),
      ("--batch-milliseconds", batchMilliseconds),
    ] where value < 1 {
      throw BenchmarkError.notPositive(option: option, value: value)
    }
    _ = try Self.numbers(ranks, option: "--ranks")
    _ = try Self.numbers(columns, option: "--columns")
    _ = try elementTypes()
  }

  func run() throws {
    #if DEBUG
    throw BenchmarkError.noOptimization
    #else
    try measure()
    #endif
  }

  func measure() throws {
    Interruption.install()
    let output = Output(isJSON: json)
    let sets = try set.map { try Self.words($0).map(KernelSet.named) } ?? KernelSet.available
    let wanted = only.map { Set(Self.words($0)) }
    let ranks = try Self.numbers(ranks, option: "--ranks")
    let measurement = KernelMeasurement(
      stopwatch: Stopwatch(batches: batches, batchSeconds: Double(batchMilliseconds) / 1000), output: output,
      wanted: wanted)
    output.text("\(Processor.name), one thread, \(batches) batches of \(batchMilliseconds) ms")
    for kernels in sets {
      measurement.tellHeader(kernels)
      for columns in try Self.numbers(columns, option: "--columns") {
        let tile = TileCases(kernels: kernels, rows: max(1, tileElements / columns), columns: columns)
        for rank in ranks { try measurement.measure("addLowRank", kernels) { [try tile.lowRank(rank)] } }
        for rank in ranks { try measurement.measure("packRight", kernels) { [try tile.packRight(rank)] } }
        try measurement.measureAll(TileCases.plainNames, kernels) { try tile.plain() }
        for type in try elementTypes() {
          try measurement.measureAll(TileCases.weightedNames, kernels) { try tile.weighted(type) }
          try measurement.measureAll(TileCases.decodingNames, kernels) { try tile.decoding(type) }
          for rank in ranks {
            try measurement.measure("mergeLowRank", kernels) { [try tile.mergeLowRank(rank, type)] }
          }
          guard measurement.isWanted("merge") else { continue }
          let streaming = try StreamingMerge(kernels, type, tile: tile, elements: streamingElements)
          for rank in ranks { try measurement.measure("merge", kernels) { [try streaming.merge(rank: rank)] } }
        }
      }
    }
  }

  private func elementTypes() throws -> [ElementType] {
    try Self.words(dtypes).map { word in
      guard let type = ElementType.allCases.first(where: { $0.name == word }) else {
        throw ValidationError("--dtypes: \"\(word)\" is not bf16, f16 or f32.")
      }
      return type
    }
  }

  private static func words(_ text: String) -> [String] { text.split(separator: ",").map(String.init) }

  private static func numbers(_ text: String, option: String) throws -> [Int] {
    try words(text).map { word in
      guard let number = Int(word), number > 0 else {
        throw ValidationError("\(option): \"\(word)\" is not a number of at least 1.")
      }
      return number
    }
  }
}
