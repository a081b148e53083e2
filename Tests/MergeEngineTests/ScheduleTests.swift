import Adapters
import Checkpoints
import Foundation
import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import MergeEngine

/// How a plan is cut into jobs, and what that holds in memory. Plans come from headers; the data is holes.
@Suite struct ScheduleTests {
  /// Writes a header for tensors without their data, which the file system keeps as a hole.
  private func writeSparse(_ path: String, _ tensors: [(name: String, dtype: DType, shape: [Int])]) throws {
    var entries: [String] = []
    var end = 0
    for (name, dtype, shape) in tensors {
      let byteCount = shape.reduce(1, *) * dtype.bitCount / 8
      let text = "\"dtype\":\"\(dtype.name)\",\"shape\":\(shape),\"data_offsets\":[\(end),\(end + byteCount)]"
      entries.append("\"\(name)\":{\(text)}")
      end += byteCount
    }
    let header = Array("{\(entries.joined(separator: ","))}".utf8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    try write(length + header, to: path)
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.truncate(atOffset: UInt64(8 + header.count + end))
    try handle.close()
  }

  private func plan(
    _ scratch: Scratch, _ shards: [[(name: String, dtype: DType, shape: [Int])]], rank: Int, dtype: DType? = nil
  ) throws -> MergePlan {
    let folder = try scratch.folder("base")
    var names: [(name: String, tensors: [TestTensor])] = []
    for (number, tensors) in shards.enumerated() {
      let name = "model-\(number).safetensors"
      try writeSparse(folder + "/" + name, tensors)
      names.append((name, tensors.map { TestTensor($0.name, $0.dtype, [0]) }))
    }
    try writeIndex(folder, names)
    let targets = shards.joined().filter { $0.name.hasSuffix(".weight") }
    let adapter = try writeAdapter(scratch.file("adapter"), rank: rank, alpha: "1", [])
    try writeSparse(
      adapter + "/adapter_model.safetensors",
      targets.flatMap { target in
        let module = "base_model.model." + target.name.dropLast(".weight".count)
        return [
          (name: module + ".lora_A.weight", dtype: DType.f32, shape: [rank, target.shape[1]]),
          (name: module + ".lora_B.weight", dtype: DType.bf16, shape: [target.shape[0], rank]),
        ]
      })
    return try TestMerge(base: folder, adapter: adapter, output: scratch.file("merged"), dtype: dtype).plan
  }

  @Test func coversEveryByteOnce() throws {
    var random = SeededGenerator()
    for round in 0..<30 {
      let scratch = try Scratch()
      var shards: [[(name: String, dtype: DType, shape: [Int])]] = []
      for shard in 0..<Int.random(in: 1...3, using: &random) {
        var tensors: [(name: String, dtype: DType, shape: [Int])] = []
        for number in 0..<Int.random(in: 1...8, using: &random) {
          let isTarget = number == 0 || Bool.random(using: &random)
          let dtype = [DType.f32, .f16, .bf16, .u8, .i64, .f8E4M3].randomElement(using: &random) ?? .f32
          let sizes = [1, 7, 300, 5000, 131_072, 131_073, 1_100_000]
          let rows = Int.random(in: isTarget ? 1...600 : 0...600, using: &random)
          let columns = sizes.randomElement(using: &random) ?? 1
          let targetDType = [.f32, .f16].contains(dtype) ? dtype : .bf16
          tensors.append(
            isTarget
              ? ("\(shard).\(number).weight", targetDType, [rows, columns])
              : ("\(shard).\(number)", dtype, [rows, columns]))
        }
        tensors.shuffle(using: &random)
        shards.append(tensors)
      }
      let plan = try plan(scratch, shards, rank: 3, dtype: round % 3 == 0 ? .f16 : nil)
      check(plan, TileSchedule(plan), "\(random), round \(round)")
    }
  }

  private func check(_ plan: MergePlan, _ schedule: TileSchedule, _ comment: String) {
    var written: [[Range<Int>]] = plan.shards.map { _ in [] }
    var jobCounts = plan.shards.map { _ in 0 }
    var nextJob = 0
    for (number, segment) in schedule.segments.enumerated() {
      #expect(segment.firstJob == nextJob, "\(comment)")
      nextJob += segment.jobCount
      jobCounts[segment.shard] += segment.jobCount
      let shard = plan.shards[segment.shard]
      for position in 0..<segment.jobCount {
        #expect(schedule.segment(ofJob: segment.firstJob + position) == number, "\(comment)")
        switch segment.kind {
        case .header: written[segment.shard].append(0..<shard.headerBytes.count)
        case .copy(_, let source, let output):
          let piece = TileSchedule.copyByteCount
          let range = position * piece..<min((position + 1) * piece, source.count)
          written[segment.shard].append(output + range.lowerBound..<output + range.upperBound)
        case .tiles(let tensor, let rowsPerTile):
          let update = shard.tensors[tensor].update
          let start = shard.tensors[tensor].outputRange.lowerBound
          let row = (update?.columns ?? 0) * shard.tensors[tensor].outputDType.bitCount / 8
          let rows = position * rowsPerTile..<min((position + 1) * rowsPerTile, update?.rows ?? 0)
          #expect(rowsPerTile * (update?.columns ?? 0) <= max(1 << 20, update?.columns ?? 0), "\(comment)")
          written[segment.shard].append(start + rows.lowerBound * row..<start + rows.upperBound * row)
        case .bands(let tensor, _):
          // Which rows and scales these are, the tests of requantizing tell.
          if case .requantized? = shard.tensors[tensor].computed?.encoding {} else { Issue.record("\(comment)") }
          written[segment.shard].append(
            schedule.outputRange(ofJob: segment.firstJob + position, in: segment, plan))
        }
      }
      // A run of copies is one range of the base: each of its tensors moves by the same distance.
      if case .copy(let input, let source, let output) = segment.kind {
        for tensor in shard.tensors where tensor.source.input == input && source.overlaps(tensor.source.range) {
          #expect(tensor.update == nil, "\(comment)")
          let moved = tensor.outputRange.lowerBound - tensor.source.range.lowerBound
          #expect(moved == output - source.lowerBound, "\(comment)")
        }
      }
    }
    #expect(schedule.jobCount == nextJob, "\(comment)")
    #expect(schedule.shardJobCounts == jobCounts, "\(comment)")
    for (shard, ranges) in zip(plan.shards, written) {
      var end = 0
      for range in ranges.filter({ !$0.isEmpty }).sorted(by: { $0.lowerBound < $1.lowerBound }) {
        #expect(range.lowerBound == end, "\(comment)")
        end = range.upperBound
      }
      #expect(end == shard.fileByteCount, "\(comment)")
    }
  }

  @Test(arguments: RequantizingTests.cases) func codesAndScalesAreWrittenOnce(name: String) throws {
    let folder = RequantizingTests.folder(name)
    var options = MergeOptions()
    options.requantizes = true
    let plan = try MergePlan(
      base: Checkpoint(path: folder + "/base"), adapters: [AdapterUse(try Adapter(folder: folder + "/adapter"))],
      options: options)
    for size in TileSize.all { check(plan, TileSchedule(plan, tileSize: size), "\(name), \(size)") }
  }

  @Test func neighborsAreCopiedTogether() throws {
    let scratch = try Scratch()
    let plan = try plan(
      scratch, [[("a", .u8, [3]), ("b", .f32, [5]), ("m.weight", .f32, [2, 2]), ("c", .u8, [1])]], rank: 1)
    #expect(TileSchedule(plan).jobCount == 4)
  }

  @Test(arguments: [
    (1, 131_072), (131_072, 8), (131_073, 7), (1_048_576, 1), (2_000_000, 1), (0, 131_072), (1000, 131),
  ])
  func tilesAreWholeRows(columns: Int, rows: Int) {
    #expect(TileSize.standard.rows(columns: columns) == rows)
  }

  @Test func memoryIsThatOfTilesAndFactors() throws {
    let scratch = try Scratch()
    let plan = try plan(
      scratch,
      [
        [("a.weight", .f32, [10, 20]), ("b.weight", .bf16, [300, 1000])],
        [("c.weight", .f16, [2, 17]), ("n", .f32, [1 << 20])],
      ],
      rank: 4)
    // The largest tile: 131 of b's 300 rows, each of 1000 fp32 and twice 1000 BF16, and the left factor's four, BF16
    // in the file and fp32 after it; of that 96 rows once more, as the kernel reads them.
    let tile = 131 * (1000 * (4 + 2 + 2) + 4 * 2 + 4 * 4) + 96 * 4 * 4
    // 64 bytes for each of the rank's rows and each 16 columns begun, and the factor as it is in the file.
    let factors = [64 * 4 * 63 + 4 * 4 * 1000, 64 * 4 * 2 + 4 * 4 * 20, 64 * 4 * 2 + 4 * 4 * 17]
    for workers in [1, 2, 3] {
      let need = MemoryNeed(plan, workers: workers)
      #expect(need.tiles == tile * workers)
      #expect(need.factors == factors.prefix(workers).reduce(0, +))
      #expect(need.total == need.tiles + need.factors + need.tables)
    }
  }

  /// Workers beyond the jobs hold nothing; a silly number of them does not overflow.
  @Test func memoryOfManyWorkersIsFinite() throws {
    let scratch = try Scratch()
    let plan = try plan(scratch, [[("a.weight", .f32, [10, 20])]], rank: 4)
    let need = MemoryNeed(plan, workers: .max)
    #expect(need.tiles + need.factors < 1 << 20)
  }
}
