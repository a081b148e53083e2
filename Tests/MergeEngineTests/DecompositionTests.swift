import Adapters
import Checkpoints
import Foundation
import MergePlanning
import Platform
import Safetensors
import TestSupport
import Testing

@testable import LinearAlgebra
@testable import MergeEngine

/// Adapters whose initialization took a part out of the base's weights: PiSSA, OLoRA and KaSA, saved unconverted.
///
/// The part comes from the system's LAPACK, of which these tests need one: `.ci/setup` installs it.
@Suite struct DecompositionTests {
  // MARK: - Against PEFT

  static let cases = FixtureCase.all.filter(\.isMergedByDecomposition)

  @Test func casesAreAllThere() {
    #expect(
      Self.cases.map(\.name).sorted() == [
        "init-olora-bf16", "init-olora-f16", "init-olora-f32", "init-pissa-bf16", "init-pissa-f16", "init-pissa-f32",
        "kasa-bf16", "kasa-f16", "kasa-f32",
      ])
  }

  /// How far a result is from PEFT's: the largest difference, in largest elements of the weight, and the share of equal
  /// elements.
  private func distance(_ output: String, _ testCase: FixtureCase) throws -> (worst: Double, equal: Double) {
    let found = try loadTensors(output)
    let expected = try testCase.expected(try #require(testCase.merged))
    let base = try loadTensors(testCase.base)
    #expect(Set(found.keys) == Set(base.keys))
    var (worst, equal, count) = (0.0, 0, 0)
    for (name, tensor) in found {
      let wanted = try #require(expected[name])
      let weight = try #require(base[name])
      if isSame(wanted.data, weight.data) {
        #expect(isSame(tensor.data, weight.data), "\(name)")
        continue
      }
      func numbers(_ tensor: (info: TensorInfo, data: ArraySlice<UInt8>)) -> [Double] {
        Elements.numbers(Elements.bits(Array(tensor.data), tensor.info.dtype), tensor.info.dtype).map(Double.init)
      }
      let largest = numbers(weight).map(abs).max() ?? 0
      let (one, other) = (numbers(tensor), numbers(wanted))
      worst = max(worst, zip(one, other).map { abs($0 - $1) / largest }.max() ?? .infinity)
      equal += zip(one, other).count { $0 == $1 }
      count += one.count
    }
    return (worst, Double(equal) / Double(count))
  }

  /// F32: the noise of two decompositions in fp32. 16 bits: where that changes how what is left is rounded, one ulp of what
  /// is left, which is at most 2^-7 (BF16) or 2^-10 (F16) of the largest element.
  private func bounds(_ testCase: FixtureCase) -> (worst: Double, equal: Double) {
    if testCase.name.hasSuffix("-f32") { return (4e-6, 0) }
    return (testCase.name.hasSuffix("-bf16") ? 0x1p-7 : 0x1p-10, 0.97)
  }

  @Test(arguments: cases)
  func isPEFTsResultButForTheNoiseOfDecompositions(_ testCase: FixtureCase) throws {
    let scratch = try Scratch()
    try testCase.merge(to: scratch.file("merged")) { $0.arithmetic = .peft }.run()
    let found = try distance(scratch.file("merged"), testCase)
    let bounds = bounds(testCase)
    #expect(found.worst <= bounds.worst && found.equal >= bounds.equal, "\(found)")
  }

  /// A merge that takes nothing out is far from PEFT's.
  @Test(arguments: cases)
  func withoutTheResidualItIsNot(_ testCase: FixtureCase) throws {
    let scratch = try Scratch()
    let plan = try testCase.merge(to: scratch.file("merged"))
    let broken = plan.plan.takingNothingOut
    #expect(!broken.needsDecompositions && plan.plan.needsDecompositions)
    try MergeEngine(broken, options: MergeEngine.Options(workers: 1)).run(to: plan.place, sideFiles: plan.sideFiles)
    let found = try distance(scratch.file("merged"), testCase)
    #expect(found.worst > 10 * bounds(testCase).worst && found.equal < 0.5, "\(found)")
  }

  // MARK: - Against decompositions in double

  static let shapes: [DecompositionModel.Shape] = {
    var shapes: [DecompositionModel.Shape] = []
    for change in Decomposition.allCases {
      for (rows, columns) in [(33, 20), (20, 33), (24, 24)] {
        for dtype in [DType.f32, .bf16, .f16] {
          shapes.append(DecompositionModel.Shape(change: change, rows: rows, columns: columns, dtype: dtype))
        }
      }
      // Rows of several tiles, and a rank of all but one.
      shapes.append(DecompositionModel.Shape(change: change, rows: 10, columns: 17_000, rank: 2))
      shapes.append(DecompositionModel.Shape(change: change, rows: 7, columns: 5, rank: 4))
    }
    for dtype in [DType.f32, .bf16] {
      for (rows, columns) in [(33, 20), (20, 33), (24, 24)] {
        shapes.append(.init(change: .pissa, rows: rows, columns: columns, dtype: dtype, isTransposed: true))
        for isTransposed in [false, true] {
          shapes.append(
            .init(
              change: .pissa, rows: rows, columns: columns, dtype: dtype, isTransposed: isTransposed, usesDora: true))
        }
      }
      shapes.append(.init(change: .olora, rows: 24, columns: 24, dtype: dtype, isTransposed: true))
      shapes.append(.init(change: .olora, dtype: dtype, usesDora: true))
      // A negative scaling has no root, but a product.
      shapes.append(.init(change: .olora, dtype: dtype, alpha: "-4"))
    }
    return shapes
  }()

  /// F32: 3e-7 of the largest singular value, more where two that the cut is between are close, and the roundings of a sum.
  /// 16 bits: an ulp of the largest element that is left beside the last rounding, for all but a few elements nothing.
  @Test(arguments: shapes)
  func isTheExactResultButForTheNoiseOfDecompositions(_ shape: DecompositionModel.Shape) throws {
    let model = try DecompositionModel(shape)
    let found = try model.merge()
    #expect(found.dtype == shape.dtype)
    let values = Elements.numbers(found.bits, found.dtype).map(Double.init)
    let noise =
      shape.dtype == .f32 ? 3e-7 * model.norm * (1 + model.sensitivity) : Elements.ulp(model.largest, shape.dtype)
    // DoRA multiplies what is left by magnitudes below 1 and divides it by norms.
    let growth = shape.usesDora ? 2.0 : 1
    let worst = zip(values, model.expected).map { abs($0 - $1) - 2 * Elements.ulp($1, shape.dtype) }.max() ?? .infinity
    #expect(worst <= growth * noise, "\(worst / model.norm) of the norm, \(worst / noise) of the bound")
    func equalShare(_ other: [Double]) -> Double {
      Double(zip(found.bits, other).count { $0 == Elements.narrow($1, shape.dtype) }) / Double(values.count)
    }
    func squares(_ other: [Double]) -> Double { zip(values, other).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
    // Without the decomposition it would be another result.
    if shape.dtype == .f32 {
      #expect(squares(model.withoutResidual) > 1e6 * squares(model.expected))
    } else {
      #expect(equalShare(model.expected) > 0.95)
      #expect(equalShare(model.withoutResidual) < 0.9)
    }
  }

  @Test func theResultDoesNotDependOnWorkersAndOutputsMayBeWider() throws {
    let model = try DecompositionModel(.init(change: .pissa, rows: 10, columns: 17_000, rank: 2, dtype: .bf16))
    let one = try model.merge(workers: 1)
    let other = try model.merge(workers: 5)
    #expect(one.bits == other.bits)
    // What is left is rounded to the base's dtype, whatever the output's is: the adapter was trained beside that.
    let wide = try model.merge { $0.outputDType = .f32 }
    #expect(wide.dtype == .f32)
    #expect(Elements.numbers(wide.bits, .f32).map { Elements.narrow($0, .bf16) } == one.bits)
  }

  @Test(arguments: Decomposition.allCases, [MergeOptions.Arithmetic.exact, .peft])
  func statisticsCompareWithTheBase(change: Decomposition, arithmetic: MergeOptions.Arithmetic) throws {
    let model = try DecompositionModel(.init(change: change, dtype: .bf16))
    let scratch = try Scratch()
    var planning = MergeOptions()
    planning.arithmetic = arithmetic
    let merge = try TestMerge(
      base: model.base, adapters: [(model.adapter, 1)], output: scratch.file("m.safetensors"), options: planning)
    var options = MergeEngine.Options(workers: 2)
    options.collectsStatistics = true
    let outcome = try MergeEngine(merge.plan, options: options).run(to: merge.place, sideFiles: .none)
    let statistics = try #require(outcome.statistics.first)
    let base = Elements.numbers(
      Elements.bits(Array(try #require(try loadTensors(model.base).first).value.data), .bf16), .bf16)
    let change = zip(base, model.expected).reduce(0.0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
    #expect(abs((statistics.intendedSquares / change).squareRoot() - 1) < 0.01)
  }

  // MARK: - Errors

  @Test(arguments: [Float.nan, .infinity])
  func aBaseThatIsNotFiniteIsRefused(value: Float) throws {
    let model = try DecompositionModel(.init(change: .pissa))
    let scratch = try Scratch()
    let name = DecompositionModel.name + ".weight"
    var numbers = [Float](repeating: 1, count: 33 * 20)
    numbers[100] = value
    try writeFile(scratch.file("base.safetensors"), [TestTensor(name, .f32, [33, 20], numbers: numbers)])
    let error = refusal {
      try TestMerge(
        base: scratch.file("base.safetensors"), adapter: model.adapter, output: scratch.file("m.safetensors")
      ).run()
    }
    #expect(error?.errorClass == "nonfinite" && error?.tensor == name && error?.category == .refusedInput)
    #expect(error?.message.hasPrefix("1 element infinite or NaN") == true)
    #expect(try scratch.entries() == ["base.safetensors"])
  }

  @Test func aMissingLibraryIsNamedWithTheWayOut() {
    let error = refusal { _ = try MatrixDecomposer(lapack: "/nonexistent/liblapack.so") }
    #expect(error?.category == .refusedInput && error?.errorClass == "lapack")
    #expect(error?.message.contains("/nonexistent/liblapack.so") == true)
    #expect(error?.hint?.contains("liblapack3") == true && error?.hint?.contains("SAFEMERGE_LAPACK") == true)
  }

  /// A file of 2 GiB without blocks, and a weight whose work space has more than 2^31 elements.
  @Test func whatIsTooLargeIsFoundBeforeAnythingIsWritten() throws {
    let scratch = try Scratch()
    let (name, side) = (DecompositionModel.name, 24_000)
    let header =
      "{\"\(name).weight\":{\"dtype\":\"BF16\",\"shape\":[\(side),\(side)],\"data_offsets\":[0,\(2 * side * side)]}}"
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    try write(length + header.utf8, to: scratch.file("base.safetensors"))
    #expect(truncate(scratch.file("base.safetensors"), off_t(8 + header.utf8.count + 2 * side * side)) == 0)
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [TestTensor(name + ".lora_A.weight", .f32, [1, side]), TestTensor(name + ".lora_B.weight", .f32, [side, 1])],
      fields: "\"init_lora_weights\": \"pissa\"")
    let error = refusal {
      try TestMerge(base: scratch.file("base.safetensors"), adapter: adapter, output: scratch.file("m.safetensors"))
        .run()
    }
    #expect(error?.message.contains("too large") == true && error?.tensor == name + ".weight")
    #expect(error?.category == .refusedInput && error?.errorClass == "unsupported")
    #expect(try scratch.entries() == ["adapter", "base.safetensors"])
  }

  @Test func memoryCountsTheDecompositionOnceAndTheFactorsOfEveryWorker() throws {
    let model = try DecompositionModel(.init(change: .pissa, rows: 33, columns: 20, rank: 3, dtype: .bf16))
    let scratch = try Scratch()
    let plan = try TestMerge(base: model.base, adapter: model.adapter, output: scratch.file("m.safetensors")).plan
    let need = MemoryNeed(plan, workers: 4)
    // Beside it the tensor as it is in its file.
    let work = LinearAlgebra.singularValuesByteCount(rows: 33, columns: 20) + 3 * 20 * 4
    #expect(need.decomposition == work + 33 * 20 * 2)
    // Packed A, the same as it is in its file, and of what is taken out the left factor and the packed right one.
    #expect(need.factors == 2 * (2 * 16 * 3 * 4) + 20 * 3 * 4 + 33 * 3 * 4)
    #expect(MemoryNeed(plan.takingNothingOut, workers: 4).decomposition == 0)
    #expect(MemoryNeed(plan.takingNothingOut, workers: 4).total < need.total)
  }
}
