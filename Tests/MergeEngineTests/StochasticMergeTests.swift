import MergePlanning
import Platform
import Safetensors
import TestSupport
import Testing
import TileKernels

@testable import MergeEngine

/// `--round stochastic` and `--on-nonfinite`, through the whole pipeline.
@Suite struct StochasticMergeTests {
  private func file(_ scratch: Scratch, _ name: String, _ tensors: [TestTensor]) throws -> String {
    let path = scratch.file(name + ".safetensors")
    try writeFile(path, tensors, dataStart: 5)
    return path
  }

  private func adapter(_ scratch: Scratch, columns: Int, rows: Int, delta: Float) throws -> String {
    try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestTensor("m.lora_A.weight", .f32, [1, columns], numbers: [Float](repeating: delta, count: columns)),
        TestTensor("m.lora_B.weight", .f32, [rows, 1], numbers: [Float](repeating: 1, count: rows)),
      ])
  }

  private func run(
    _ scratch: Scratch, _ base: String, _ adapter: String, _ name: String, dtype: DType? = nil, seed: UInt64?,
    workers: Int = 2, kernels: KernelSet = .best
  ) throws -> LoadedFile {
    let output = scratch.file(name + ".safetensors")
    try TestMerge(base: base, adapter: adapter, output: output, dtype: dtype).run(
      workers: workers, kernels: kernels, rounding: seed.map { .stochastic(seed: $0) } ?? .nearest)
    return try LoadedFile(output)
  }

  @Test(arguments: [DType.bf16, .f16]) func bytesDependOnSeedAndInputsAlone(dtype: DType) throws {
    var random = SeededGenerator()
    let scratch = try Scratch()
    let numbers = random.numbers(2100 * 65)
    let base = try file(
      scratch, "base",
      [
        TestTensor("m.weight", dtype, [2100, 65], numbers: numbers),
        TestTensor("n.weight", dtype, [2100, 65], numbers: numbers),
      ])
    let factors = ["m", "n"].flatMap { module in
      [
        TestTensor("\(module).lora_A.weight", .f32, [1, 65], numbers: [Float](repeating: 0.1, count: 65)),
        TestTensor("\(module).lora_B.weight", .f32, [2100, 1], numbers: [Float](repeating: 0.1, count: 2100)),
      ]
    }
    let adapter = try writeAdapter(scratch.file("adapter"), rank: 1, alpha: "1", factors)
    var first: LoadedFile?
    for kernels in KernelSet.available {
      for workers in [1, 2, 7] {
        let found = try run(
          scratch, base, adapter, "\(kernels.name)-\(workers)", seed: 42, workers: workers, kernels: kernels)
        if let first {
          #expect(isSame(found.bytes[...], first.bytes[...]), "\(kernels.name), \(workers) workers")
        } else {
          first = found
        }
      }
    }
    let same = try #require(first)
    // Another seed, and another tensor's name, are other bits; nearest is neither.
    let other = try run(scratch, base, adapter, "other", seed: 43)
    let nearest = try run(scratch, base, adapter, "nearest", seed: nil)
    for name in ["m.weight", "n.weight"] {
      let (one, two, three) = (same.elements(name), other.elements(name), nearest.elements(name))
      #expect(one != two)
      #expect(one != three)
      // Up or down by one step of what is between.
      for (left, right) in zip(one ?? [], three ?? []) where Elements.distance(left, right, dtype) > 1 {
        Issue.record("\(left) \(right)")
        break
      }
    }
    #expect(same.elements("m.weight") != same.elements("n.weight"))
  }

  /// The same elements as one row, and as rows of many tiles.
  @Test func bytesDoNotDependOnTheTiles() throws {
    var random = SeededGenerator()
    let numbers = random.numbers(1 << 18)
    var results: [[UInt32]?] = []
    for (number, shape) in [[1 << 18], [1 << 16, 4], [3, 1 << 10, 1 << 6], [1 << 17, 2]].enumerated() {
      let scratch = try Scratch()
      let count = shape.reduce(1, *)
      let base = try file(
        scratch, "base",
        [
          TestTensor("x", .f32, shape, numbers: Array(numbers.prefix(count))),
          TestTensor("m.weight", .f32, [1, 1], numbers: [1]),
        ])
      let adapter = try adapter(scratch, columns: 1, rows: 1, delta: 1)
      let merged = try run(scratch, base, adapter, "\(number)", dtype: .bf16, seed: 7)
      results.append(merged.elements("x"))
    }
    let whole = try #require(results[0])
    for result in results { #expect(result == Array(whole.prefix(result?.count ?? 0))) }
    #expect(whole != numbers.map { Elements.narrow($0, .bf16) })
  }

  /// A delta of a tenth of a step: nearest loses it, the mean of what is rounded stochastically has it.
  @Test(arguments: [(DType.bf16, 0x1p-7), (DType.f16, 0x1p-10)], [0.1, 0.5, 0.9])
  func isUnbiased(format: (dtype: DType, step: Double), part: Double) throws {
    let scratch = try Scratch()
    let count = 512 * 256
    let base = try file(
      scratch, "base",
      [TestTensor("m.weight", format.dtype, [512, 256], numbers: [Float](repeating: 1, count: count))])
    let adapter = try adapter(scratch, columns: 256, rows: 512, delta: Float(part * format.step))
    let merged = try run(scratch, base, adapter, "merged", seed: 1)
    let numbers = Elements.numbers(try #require(merged.elements("m.weight")), format.dtype).map(Double.init)
    #expect(Set(numbers) == [1, 1 + format.step])
    let mean = (numbers.reduce(0, +) / Double(count) - 1) / format.step
    // Five standard deviations.
    #expect(abs(mean - part) < 5 * (part * (1 - part) / Double(count)).squareRoot(), "\(mean)")
    // Along each row and each column, too.
    for row in stride(from: 0, to: 512, by: 37) {
      let ones = numbers[row * 256..<(row + 1) * 256].count { $0 > 1 }
      #expect(abs(Double(ones) / 256 - part) < 6 * (part * (1 - part) / 256).squareRoot(), "row \(row)")
    }
    for column in stride(from: 0, to: 256, by: 37) {
      let ones = stride(from: column, to: count, by: 256).count { numbers[$0] > 1 }
      #expect(abs(Double(ones) / 512 - part) < 6 * (part * (1 - part) / 512).squareRoot(), "column \(column)")
    }
  }

  /// What is a number of the output's type is that, whatever the seed; rows that replace are rounded to nearest.
  @Test func exactResultsStay() throws {
    let scratch = try Scratch()
    let base = try file(scratch, "base", [TestTensor("m.weight", .f16, [2, 3], numbers: [0, -0.0, 1, -2, 3, 65504])])
    let adapter = try adapter(scratch, columns: 3, rows: 2, delta: 0)
    for seed: UInt64 in [0, 1, .max] {
      let merged = try run(scratch, base, adapter, "\(seed)", seed: seed)
      #expect(Elements.numbers(try #require(merged.elements("m.weight")), .f16) == [0, 0, 1, -2, 3, 65504])
    }
  }

  // MARK: Elements that overflow

  static let roundings: [MergeEngine.Rounding] = [.nearest, .stochastic(seed: 3)]

  @Test(arguments: roundings) func overflowIsCountedOrRefused(rounding: MergeEngine.Rounding) throws {
    let scratch = try Scratch()
    let base = try file(
      scratch, "base",
      [
        TestTensor("a.weight", .f16, [1, 3], numbers: [1, 65504, 1]),
        TestTensor("m.weight", .f16, [2, 3], numbers: [1, 60000, .infinity, 65504, 2, 3]),
        TestTensor("z.weight", .f16, [1, 3], numbers: [.nan, 1, 1]),
      ])
    let adapter = try adapter(scratch, columns: 3, rows: 2, delta: 20000)
    let output = scratch.file("merged.safetensors")
    let merge = try TestMerge(base: base, adapter: adapter, output: output)
    let error = refusal { try merge.run(rounding: rounding, nonFinite: .fail) }
    #expect(error?.errorClass == "nonfinite")
    #expect(error?.category == .refusedInput)
    #expect(error?.tensor == "m.weight")
    #expect(try scratch.entries() == ["adapter", "base.safetensors"])
    let outcome = try merge.run(rounding: rounding, nonFinite: .warn)
    #expect(outcome.nonFinite == [.init(name: "m.weight", count: 2)])
    let merged = try LoadedFile(output)
    let numbers = Elements.numbers(try #require(merged.elements("m.weight")), .f16)
    #expect(numbers.map(\.isFinite) == [true, false, false, false, true, true])
    #expect(numbers[1] == .infinity)
    // A merge without such elements tells of none.
    let quiet = try TestMerge(
      base: base, adapters: [(adapter, 1e-6)], output: scratch.file("quiet.safetensors"), options: MergeOptions())
    #expect(try quiet.run(rounding: rounding, nonFinite: .warn).nonFinite == [])
  }
}
