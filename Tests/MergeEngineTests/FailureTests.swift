import Foundation
import MergePlanning
import Platform
import Safetensors
import Staging
import Synchronization
import TestSupport
import Testing

@testable import MergeEngine

/// A merge that fails leaves nothing; one that runs shows nothing.
@Suite struct FailureTests {
  private static let index = "model.safetensors.index.json"

  private func bases(_ scratch: Scratch, _ tensors: [TestTensor], sharded: Bool) throws -> String {
    guard sharded else {
      let path = scratch.file("base.safetensors")
      try writeFile(path, tensors)
      return path
    }
    let folder = try scratch.folder("base")
    let shards = tensors.enumerated().map { (name: "model-\($0).safetensors", tensors: [$1]) }
    for shard in shards { try writeFile(folder + "/" + shard.name, shard.tensors) }
    try writeIndex(folder, shards)
    return folder
  }

  /// Rank 1 for modules "0", "1", ... of one row: delta[n] = b * a[n].
  private func adapter(_ scratch: Scratch, _ modules: [(a: [Float], b: Float)]) throws -> String {
    let tensors = modules.enumerated().flatMap { number, module in
      [
        TestTensor("\(number).lora_A.weight", .f32, [1, module.a.count], numbers: module.a),
        TestTensor("\(number).lora_B.weight", .f32, [1, 1], numbers: [module.b]),
      ]
    }
    return try writeAdapter(scratch.file("adapter"), rank: 1, alpha: "1", tensors)
  }

  private func merge(_ scratch: Scratch, _ base: String, _ adapter: String) throws -> TestMerge {
    let isFolder = !base.hasSuffix(".safetensors")
    return try TestMerge(
      base: base, adapter: adapter, output: scratch.file(isFolder ? "merged" : "merged.safetensors"))
  }

  static let overflows: [(DType, Float, Float, Float)] = [
    (.f16, 65504, 16, 1), (.f16, -65504, -1000, 1), (.f16, 0, 1e38, 1e38), (.bf16, 3.38e38, 1e37, 1),
    (.f32, 1, 1e38, 1e38), (.f32, -3.4e38, -3e38, 1),
  ]

  @Test(arguments: overflows, [true, false])
  func overflowIsRefused(numbers: (DType, Float, Float, Float), sharded: Bool) throws {
    let (dtype, weight, a, b) = numbers
    let scratch = try Scratch()
    let base = try bases(
      scratch,
      [
        TestTensor("0.weight", dtype, [1, 3], numbers: [1, 2, 3]),
        TestTensor("1.weight", dtype, [1, 3], numbers: [1, weight, 1]), TestTensor("x", .u8, [1], bytes: [1]),
        TestTensor("2.weight", dtype, [1, 3], numbers: [1, weight, 1]),
      ], sharded: sharded)
    let adapter = try adapter(scratch, [([1, 1, 1], 1), ([0, a, 0], b), ([0, a, 0], b)])
    let before = try scratch.entries()
    for workers in [1, 2, 7] {
      let merge = try merge(scratch, base, adapter)
      // Whichever worker was first: the first failure in the order of the output is reported.
      let error = refusal { try merge.run(workers: workers) } as? MergeError
      #expect(error?.tensor == "1.weight")
      #expect(error?.problem == .nonFinite(count: 1, rows: 0..<1, dtype: dtype))
      #expect(error?.category == .refusedInput)
      #expect(try scratch.entries() == before)
    }
  }

  /// A long job and a short one behind it fail at once: the first in the order of the output is reported.
  @Test func firstFailureInOrderIsReported() throws {
    let scratch = try Scratch()
    let (rank, rows, columns) = (64, 128, 1024)
    let base = try bases(
      scratch, [TestTensor("0.weight", .f32, [rows, columns]), TestTensor("1.weight", .f32, [1, 1])], sharded: false)
    func factor(_ name: String, _ shape: [Int], last: Bool) -> TestTensor {
      var numbers = [Float](repeating: 0, count: shape[0] * shape[1])
      // Rank 0's product of the last row and the last column overflows.
      numbers[last ? columns - 1 : (shape[0] - 1) * shape[1]] = 1e38
      return TestTensor(name, .f32, shape, numbers: numbers)
    }
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: rank, alpha: "64",
      [
        factor("0.lora_A.weight", [rank, columns], last: true), factor("0.lora_B.weight", [rows, rank], last: false),
        TestTensor("1.lora_A.weight", .f32, [rank, 1], numbers: [Float](repeating: 1e38, count: rank)),
        TestTensor("1.lora_B.weight", .f32, [1, rank], numbers: [Float](repeating: 1e38, count: rank)),
      ])
    for workers in [1, 2, 4] {
      let error = refusal { try merge(scratch, base, adapter).run(workers: workers) }
      #expect(error?.tensor == "0.weight", "\(workers) workers")
    }
  }

  /// The largest F16 with a delta that rounds away is not an overflow.
  @Test func largestNumbersStay() throws {
    let scratch = try Scratch()
    let base = try bases(
      scratch, [TestTensor("0.weight", .f16, [1, 3], bits: [0x7bff, 0xfbff, 0x3c00])], sharded: false)
    let adapter = try adapter(scratch, [([15.9, -15.9, 0], 1)])
    let merge = try merge(scratch, base, adapter)
    try merge.run()
    #expect(try LoadedFile(merge.place.path).elements("0.weight") == [0x7bff, 0xfbff, 0x3c00])
  }

  @Test(arguments: [(DType.f32, 0x7fc1_2345, 0x7f80_0000), (.f16, 0xfe55, 0x7c00), (.bf16, 0x7fd5, 0xff80)])
  func nonFiniteNumbersOfTheBaseAreAccepted(dtype: DType, nan: Int, infinity: Int) throws {
    let scratch = try Scratch()
    let bits = [UInt32(nan), UInt32(infinity), 0]
    let base = try bases(
      scratch,
      [TestTensor("0.weight", dtype, [1, 3], bits: bits), TestTensor("norm", dtype, [3], bits: bits)], sharded: false)
    let merge = try merge(scratch, base, try adapter(scratch, [([1, 1, 1], 1)]))
    try merge.run()
    let merged = try LoadedFile(merge.place.path)
    #expect(merged.elements("norm") == bits)
    #expect(merged.elements("0.weight") == [UInt32(nan), UInt32(infinity), Elements.narrow(Float(1), dtype)])
  }

  enum Change: CaseIterable { case touched, rewritten, replaced, removed }

  private func change(_ path: String, _ change: Change) throws {
    let manager = FileManager.default
    switch change {
    case .touched:
      try manager.setAttributes([.modificationDate: Date(timeIntervalSince1970: 1e9)], ofItemAtPath: path)
    case .rewritten:
      let handle = try #require(FileHandle(forWritingAtPath: path))
      try handle.seekToEnd()
      try handle.write(contentsOf: Data([1]))
      try handle.close()
    case .replaced:
      try manager.copyItem(atPath: path, toPath: path + ".copy")
      try manager.removeItem(atPath: path)
      try manager.moveItem(atPath: path + ".copy", toPath: path)
    case .removed: try manager.removeItem(atPath: path)
    }
  }

  /// A base of three tensors, a shard each or in one file, with an adapter for two of them.
  private func model(_ scratch: Scratch, sharded: Bool) throws -> (base: String, adapter: String) {
    let base = try bases(
      scratch,
      [
        TestTensor("0.weight", .f32, [1, 3], numbers: [1, 2, 3]), TestTensor("norm", .u8, [1], bytes: [1]),
        TestTensor("1.weight", .f32, [1, 3], numbers: [1, 2, 3]),
      ], sharded: sharded)
    return (base, try adapter(scratch, [([1, 1, 1], 1), ([1, 1, 1], 1)]))
  }

  @Test(arguments: Change.allCases, [true, false])
  func inputsThatChangedSinceThePlanAreRefused(_ kind: Change, sharded: Bool) throws {
    for changesAdapter in [false, true] {
      let scratch = try Scratch()
      let (base, adapter) = try model(scratch, sharded: sharded)
      let merge = try merge(scratch, base, adapter)
      let weights = sharded ? base + "/model-2.safetensors" : base
      let path = changesAdapter ? adapter + "/adapter_model.safetensors" : weights
      try change(path, kind)
      let before = try scratch.entries()
      let error = refusal { try merge.run() }
      #expect(error?.category == .inputOutput)
      #expect(error?.file == path)
      #expect(try scratch.entries() == before)
    }
  }

  /// Inputs that are written to while the merge reads them.
  @Test(arguments: [true, false], [true, false])
  func inputsThatChangeMeanwhileAreRefused(sharded: Bool, changesAdapter: Bool) throws {
    let scratch = try Scratch()
    let (base, adapter) = try model(scratch, sharded: sharded)
    let merge = try merge(scratch, base, adapter)
    let weights = sharded ? base + "/model-2.safetensors" : base
    let path = changesAdapter ? adapter + "/adapter_model.safetensors" : weights
    let before = try scratch.entries()
    let isDone = Mutex(false)
    let error = refusal {
      try merge.run(workers: 1) { _ in
        isDone.withLock { isDone in
          if !isDone { try? change(path, .touched) }
          isDone = true
        }
      }
    }
    #expect(error?.errorClass == "changed")
    #expect(try scratch.entries() == before)
  }

  /// A disk that has other bytes than those that were written.
  @Test(arguments: [true, false]) func aFileThatIsNotAsWrittenIsRefused(sharded: Bool) throws {
    let scratch = try Scratch()
    let (base, adapter) = try model(scratch, sharded: sharded)
    let merge = try merge(scratch, base, adapter)
    let before = try scratch.entries()
    var options = MergeEngine.Options(workers: 1)
    options.verification = .read
    options.beforeVerification = { path in
      guard var bytes = try? contents(path), !sharded || path.hasSuffix("model-1.safetensors") else { return }
      bytes[bytes.count - 1] ^= 1
      try? write(bytes, to: path)
    }
    let error = refusal {
      try MergeEngine(merge.plan, options: options).run(to: merge.place, sideFiles: merge.sideFiles)
    }
    #expect(error?.errorClass == "not-as-written")
    #expect(error?.category == .inputOutput)
    #expect(try scratch.entries() == before)
    options.beforeVerification = nil
    try MergeEngine(merge.plan, options: options).run(to: merge.place, sideFiles: merge.sideFiles)
    #expect(try scratch.entries().count == before.count + 1)
  }

  private struct Refusal: Error {}

  /// A result is judged when it is complete and before it has its name; of one that is refused nothing is left.
  @Test(arguments: [true, false]) func aRefusedResultIsRemoved(sharded: Bool) throws {
    let scratch = try Scratch()
    let (base, adapter) = try model(scratch, sharded: sharded)
    let merge = try merge(scratch, base, adapter)
    let before = try scratch.entries()
    let judged = Mutex<[[String]]>([])
    let isRefused = Mutex(true)
    var options = MergeEngine.Options(workers: 1)
    options.judge = { [before] path in
      let names = Set(try loadTensors(path).keys.map(\.string))
      judged.withLock { $0.append(names.sorted()) }
      #expect(try scratch.entries().filter { !$0.hasPrefix(".") } == before)
      if isRefused.withLock({ $0 }) { throw Refusal() }
    }
    #expect(throws: Refusal.self) {
      try MergeEngine(merge.plan, options: options).run(to: merge.place, sideFiles: merge.sideFiles)
    }
    #expect(try scratch.entries() == before)
    isRefused.withLock { $0 = false }
    try MergeEngine(merge.plan, options: options).run(to: merge.place, sideFiles: merge.sideFiles)
    #expect(try scratch.entries().count == before.count + 1)
    #expect(judged.withLock { $0 } == [["0.weight", "1.weight", "norm"], ["0.weight", "1.weight", "norm"]])
  }

  /// Whatever happens before the end, nothing has the result's name.
  @Test(arguments: [true, false]) func resultIsStaged(sharded: Bool) throws {
    let scratch = try Scratch()
    let (base, adapter) = try model(scratch, sharded: sharded)
    let merge = try merge(scratch, base, adapter)
    let output = merge.place.path
    let before = try scratch.entries()
    let seen = Mutex<[(isVisible: Bool, entries: [String], isComplete: Bool)]>([])
    try merge.run(workers: 1) { progress in
      let entries = (try? scratch.entries()) ?? []
      let isVisible = FileManager.default.fileExists(atPath: output)
      seen.withLock { $0.append((isVisible, entries, progress.shardsDone == progress.shardsTotal)) }
    }
    let steps = seen.withLock { $0 }
    #expect(steps.count >= 4)
    for step in steps where sharded || !step.isComplete {
      #expect(!step.isVisible)
      #expect(step.entries.count == before.count + 1, "one staging place beside the result: \(step.entries)")
    }
    #expect(try scratch.entries() == (before + [sharded ? "merged" : "merged.safetensors"]).sorted())
    if sharded {
      #expect(try scratch.entries("merged") == (0..<3).map { "model-\($0).safetensors" } + [Self.index])
    }
  }

  /// A copied file that cannot be read after the weights are written.
  @Test func failureAfterTheWeightsLeavesNothing() throws {
    let scratch = try Scratch()
    let (base, adapter) = try model(scratch, sharded: true)
    try write(Array("{}".utf8), to: base + "/config.json")
    let merge = try merge(scratch, base, adapter)
    let before = try scratch.entries()
    // What is copied beside the weights goes while these are written.
    let error = refusal {
      try merge.run(workers: 1) { _ in try? FileManager.default.removeItem(atPath: base + "/config.json") }
    }
    #expect(error != nil)
    #expect(try scratch.entries() == before)
  }

  /// Somebody else takes the name while the merge runs: theirs stays.
  @Test(arguments: [true, false]) func resultDoesNotReplaceWhatCameMeanwhile(sharded: Bool) throws {
    let scratch = try Scratch()
    let (base, adapter) = try model(scratch, sharded: sharded)
    let merge = try merge(scratch, base, adapter)
    let output = merge.place.path
    let file = sharded ? output + "/theirs" : output
    let error = refusal {
      try merge.run(workers: 1) { _ in
        guard !FileManager.default.fileExists(atPath: file) else { return }
        if sharded { try? FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true) }
        try? write([1, 2, 3], to: file)
      }
    }
    #expect(error != nil)
    #expect(try contents(file) == [1, 2, 3])
    #expect(try scratch.entries().filter { $0.hasPrefix(".") || $0.contains(".tmp.") } == [])
  }

  @Test(arguments: [1, 2, 7]) func progressEndsAtTheTotal(workers: Int) throws {
    let scratch = try Scratch()
    let (base, adapter) = try model(scratch, sharded: true)
    let merge = try merge(scratch, base, adapter)
    let all = Mutex<[MergeProgress]>([])
    try merge.run(workers: workers) { progress in all.withLock { $0.append(progress) } }
    let steps = all.withLock { $0 }
    let total = try (0..<3).reduce(0) {
      try $0 + contents(merge.place.path + "/model-\($1).safetensors").count
    }
    #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.bytesDone < $1.bytesDone && $0.shardsDone <= $1.shardsDone })
    #expect(steps.allSatisfy { $0.bytesTotal == total && $0.shardsTotal == 3 })
    #expect(steps.last?.bytesDone == total)
    #expect(steps.last?.shardsDone == 3)
    let finished = steps.compactMap(\.finishedShard?.name)
    #expect(finished.sorted() == (0..<3).map { "model-\($0).safetensors" })
    #expect(steps.count == TileSchedule(merge.plan).jobCount)
  }
}
