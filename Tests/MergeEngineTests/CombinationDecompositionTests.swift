import Adapters
import Checkpoints
import MergePlanning
import Platform
import Safetensors
import TestSupport
import Testing
import TileKernels

@testable import LinearAlgebra
@testable import MergeEngine
@testable import Merging
@testable import Staging

/// Combining whole updates and decomposing them: the methods that end in svd.
///
/// They need the system's LAPACK: `.ci/setup` installs one.
@Suite struct CombinationDecompositionTests {
  // MARK: - The decomposition

  private static let (rows, columns) = (17, 26)

  private func update(_ rank: Int, scaling: Float, weight: Float, seed: UInt64) -> CombinationDecomposition.Update {
    var random = SeededGenerator()
    return CombinationDecomposition.Update(
      a: random.numbers(rank * Self.columns), b: random.numbers(Self.rows * rank), rank: rank, scaling: scaling,
      weight: weight, stream: RandomStream(seed: 3, tensor: seed))
  }

  private func product(_ b: [Float], _ a: [Float], rank: Int) -> [Double] {
    var result = [Double](repeating: 0, count: Self.rows * Self.columns)
    for index in result.indices {
      let (row, column) = (index / Self.columns, index % Self.columns)
      for k in 0..<rank { result[index] += Double(b[row * rank + k]) * Double(a[k * Self.columns + column]) }
    }
    return result
  }

  /// Every element of the inner method, on whole updates in fp32, and of that the part of the largest singular values.
  @Test(arguments: [
    CombinationMethod.linear, .ties(density: 0.4, sign: .total), .ties(density: 0.7, sign: .frequency),
    .magnitudePrune(density: 0.3), .dareLinear(density: 0.5, seed: 3), .dareTies(density: 0.5, sign: .total, seed: 3),
  ])
  func factorsMakeTheBestApproximation(method: CombinationMethod) throws {
    let updates = [
      update(3, scaling: 0.5, weight: 1, seed: 1), update(2, scaling: -2, weight: 0.75, seed: 2),
      update(4, scaling: 1.5, weight: -0.5, seed: 3),
    ]
    let deltas = updates.map { update in
      product(update.b, update.a, rank: update.rank).map { Float($0) * update.scaling }
    }
    let whole = try CombinationArithmetic(method: method).combine(
      deltas, weights: updates.map(\.weight), streams: updates.map(\.stream), kernels: .best)
    for rank in [1, 5, 17] {
      let (a, b) = try CombinationDecomposition(
        method: method, rows: Self.rows, columns: Self.columns, rank: rank, clamp: nil
      ).factors(of: updates, LinearAlgebra(), .best)
      #expect(a.count == rank * Self.columns && b.count == Self.rows * rank)
      let exact = DoubleDecomposition(
        .pissa, of: whole.map(Double.init), rows: Self.rows, columns: Self.columns, rank: rank, scaling: 1)
      let worst = zip(product(b, a, rank: rank), exact.part).map { abs($0 - $1) }.max() ?? .infinity
      #expect(worst <= 1e-6 * exact.norm * (1 + exact.sensitivity), "\(worst / exact.norm)")
      // The rows of A' are orthonormal: the singular values are B's.
      for row in 0..<rank {
        let squares = a[row * Self.columns..<(row + 1) * Self.columns].reduce(0) { $0 + $1 * $1 }
        #expect(abs(squares - 1) < 1e-5)
      }
    }
  }

  @Test func clampingBoundsBothFactorsByTheirQuantile() throws {
    let updates = [update(4, scaling: 1, weight: 1, seed: 1)]
    func factors(_ clamp: Double?) throws -> (a: [Float], b: [Float]) {
      try CombinationDecomposition(
        method: .linear, rows: Self.rows, columns: Self.columns, rank: 4, clamp: clamp
      ).factors(of: updates, LinearAlgebra(), .best)
    }
    let free = try factors(nil)
    for share in [0.6, 0.9, 0.99] {
      let limit = CombinationDecomposition.quantile(share, of: free.b + free.a)
      let clamped = try factors(share)
      #expect(limit > 0)
      #expect(clamped.a == free.a.map { min(max($0, -limit), limit) })
      #expect(clamped.b == free.b.map { min(max($0, -limit), limit) })
      #expect(clamped.b != free.b)
    }
  }

  /// The bits that torch's `quantile` gives.
  @Test(
    arguments: [
      (0.01, -1_059_816_735), (0.3, -1_107_967_355), (0.5, 1_056_964_608), (0.77, 1_076_740_751), (0.9, 1_080_452_708),
      (0.99, 1_082_990_264), (1, 1_083_179_008),
    ] as [(Double, Int32)])
  func quantilesAreTorchs(share: Double, bits: Int32) {
    let found = CombinationDecomposition.quantile(share, of: [3, -1, 0.5, 2.25, -7, 0.1, 4.5])
    #expect(found.bitPattern == UInt32(bitPattern: bits))
  }

  // MARK: - Through the whole pipeline

  private func merged(
    _ base: String, _ adapters: [String], _ weights: [Double], _ method: CombinationMethod?,
    arithmetic: MergeOptions.Arithmetic = .exact, workers: Int = 2
  ) throws -> [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)] {
    let scratch = try Scratch()
    let checkpoint = try Checkpoint(path: base)
    var planning = MergeOptions()
    planning.arithmetic = arithmetic
    var uses = try zip(adapters, weights).map { AdapterUse(try Adapter(folder: $0), weight: $1) }
    let place = try OutputPlace(
      path: scratch.file(checkpoint.folder == nil ? "merged.safetensors" : "merged"),
      isFolder: checkpoint.folder != nil, inputs: [base], force: false)
    let combined = try method.map {
      try CombinedAdapter(
        uses, method: $0, base: checkpoint, planning: planning,
        options: CombinedAdapter.Options(temporaryFolder: scratch.path, workers: workers))
    }
    if let combined { uses = [AdapterUse(combined.adapter)] }
    let plan = try MergePlan(base: checkpoint, adapters: uses, options: planning)
    try MergeEngine(plan, options: MergeEngine.Options(workers: workers)).run(to: place, sideFiles: .none)
    withExtendedLifetime(combined) {}
    return try loadTensors(place.path)
  }

  private func numbers(_ tensor: (info: TensorInfo, data: ArraySlice<UInt8>)) -> [Float] {
    Elements.numbers(Elements.bits(Array(tensor.data), tensor.info.dtype), tensor.info.dtype)
  }

  /// The largest difference of two results, in largest elements.
  private func distance(
    _ one: [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)],
    _ other: [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)]
  ) throws -> Float {
    var worst: Float = 0
    for (name, tensor) in other {
      let (found, wanted) = (numbers(try #require(one[name])), numbers(tensor))
      let largest = wanted.map(\.magnitude).max() ?? 0
      for (left, right) in zip(found, wanted) where left != right { worst = max(worst, abs(left - right) / largest) }
    }
    return worst
  }

  private static func adapter(_ name: String) -> String { FixtureCase.adapter(name) }

  /// `add_weighted_adapter` of PEFT; of `dare_*` with all of the density, where nothing is random.
  struct Combined: CustomTestStringConvertible, Sendable {
    let name: String
    let other: String
    let weights: [Double]
    let inner: CombinationMethod
    var testDescription: String { name }
  }

  static let combined = [
    Combined(name: "svd", other: "c", weights: [0.7, -1.5], inner: .linear),
    Combined(name: "ties-svd", other: "b", weights: [1, 0.5], inner: .ties(density: 0.5, sign: .total)),
    Combined(name: "prune-svd", other: "c", weights: [1, -0.5], inner: .magnitudePrune(density: 0.4)),
    Combined(name: "dare-linear-svd", other: "c", weights: [1, 0.5], inner: .dareLinear(density: 1, seed: 7)),
    Combined(
      name: "dare-ties-svd", other: "b", weights: [1, 0.5], inner: .dareTies(density: 1, sign: .total, seed: 7)),
  ]

  /// The last bits of the decomposition show in F32 alone.
  @Test(arguments: combined, ["f32", "bf16", "f16"])
  func isPEFTsResultButForTheNoiseOfDecompositions(_ testCase: Combined, dtype: String) throws {
    let (name, weights, inner) = (testCase.name, testCase.weights, testCase.inner)
    let base = fixturesPath() + "/bases/tiny-llama-" + dtype
    let adapters = ["several-a-" + dtype, "several-\(testCase.other)-" + dtype]
    let expected = try loadTensors(FixtureCase.merged("several-\(name)-\(dtype)"))
    let unchanged = try loadTensors(base)
    for arithmetic in MergeOptions.Arithmetic.allCases {
      func run(rank: Int?) throws -> [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)] {
        try merged(
          base, adapters.map(Self.adapter), weights, .svd(inner, rank: rank, clamp: nil), arithmetic: arithmetic)
      }
      let found = try run(rank: nil)
      let worst = try distance(found, expected)
      #expect(worst <= (dtype == "f32" ? 1e-6 : 0), "\(worst)")
      for (name, tensor) in found where expected[name] == nil {
        #expect(isSame(tensor.data, try #require(unchanged[name]).data), "\(name)")
      }
      // Another rank is another result.
      #expect(try distance(run(rank: 1), expected) > 1e-3)
    }
  }

  /// Embeddings, Conv1D of transformers, MultiheadAttention and two-dimensional convolutions: half of an adapter twice is the
  /// adapter.
  @Test(arguments: [
    ("attention-f32", "tiny-attention-f32"), ("embedding-f32", "tiny-llama-f32"), ("gpt2-f32", "tiny-gpt2-f32"),
  ])
  func twoNibblesAreTheByte(name: String, base: String) throws {
    let path = fixturesPath() + "/bases/" + base
    let expected = try merged(path, [Self.adapter(name)], [1], nil)
    let found = try merged(
      path, [Self.adapter(name), Self.adapter(name)], [0.5, 0.5], .svd(.linear, rank: nil, clamp: nil))
    #expect(Set(found.keys) == Set(expected.keys))
    let worst = try distance(found, expected)
    #expect(worst <= 2e-6, "\(worst)")
    #expect(try distance(loadTensors(path), expected) > 1e-3)
  }

  private struct Made {
    let scratch: Scratch
    let base: String
    let shape: [Int]

    init(_ shape: [Int] = [8, 6]) throws {
      scratch = try Scratch()
      base = scratch.file("base.safetensors")
      self.shape = shape
      try writeFile(base, [TestTensor("m.weight", .f32, shape)])
    }

    func adapter(_ name: String, rank: Int, fields: String = "") throws -> String {
      var random = SeededGenerator()
      let (a, b) = ([rank] + shape.dropFirst(), [shape[0], rank] + shape.dropFirst(2).map { _ in 1 })
      return try writeAdapter(
        scratch.file(name), rank: rank, alpha: "\(rank)",
        [
          TestTensor("m.lora_A.weight", .f32, a, numbers: random.numbers(a.reduce(1, *))),
          TestTensor("m.lora_B.weight", .f32, b, numbers: random.numbers(b.reduce(1, *))),
        ], fields: fields)
    }
  }

  @Test func convolutionsAreDecomposedAsMatrices() throws {
    let made = try Made([8, 3, 2, 2])
    let adapters = [try made.adapter("one", rank: 2), try made.adapter("other", rank: 3)]
    // With all of the rank the sum is exact.
    let found = try merged(made.base, adapters, [1, -0.5], .svd(.linear, rank: 8, clamp: nil))
    let sum = try merged(made.base, adapters, [1, -0.5], nil)
    #expect(try distance(found, sum) <= 2e-6)
    #expect(
      try distance(merged(made.base, adapters, [1, -0.5], .svd(.linear, rank: nil, clamp: nil)), sum) > 1e-3)
  }

  @Test func randomChoicesDependOnTheSeedAlone() throws {
    let made = try Made()
    let adapters = [try made.adapter("one", rank: 2), try made.adapter("other", rank: 3)]
    func run(_ seed: UInt64, workers: Int) throws -> ArraySlice<UInt8> {
      let method = CombinationMethod.svd(.dareTies(density: 0.5, sign: .total, seed: seed), rank: nil, clamp: nil)
      return try #require(try merged(made.base, adapters, [1, 0.5], method, workers: workers)["m.weight"]).data
    }
    #expect(try run(1, workers: 1) == run(1, workers: 3))
    #expect(try run(1, workers: 1) != run(2, workers: 1))
  }

  // MARK: - Refusals

  private func refused(
    _ made: Made, _ adapters: [String], _ method: CombinationMethod
  ) throws -> (any ReportableError)? {
    let temporary = try made.scratch.folder("temporary")
    let uses = try adapters.map { AdapterUse(try Adapter(folder: $0)) }
    let error = refusal {
      _ = try CombinedAdapter(
        uses, method: method, base: try Checkpoint(path: made.base), planning: MergeOptions(),
        options: CombinedAdapter.Options(temporaryFolder: temporary, workers: 1))
    }
    #expect(try made.scratch.entries("temporary") == [])
    return error
  }

  @Test func aRankThatAModuleHasNotIsRefused() throws {
    let made = try Made()
    let adapters = [try made.adapter("one", rank: 2), try made.adapter("other", rank: 3)]
    let error = try refused(made, adapters, .svd(.linear, rank: 7, clamp: nil)) as? CombinationError
    #expect(error?.problem == .rankTooLarge(7, rows: 8, columns: 6))
    #expect(error?.hint?.contains("--svd-rank") == true && error?.category == .refusedInput)
    #expect(try refused(made, adapters, .svd(.linear, rank: 6, clamp: 0.9)) == nil)
  }

  @Test func convolutionsOfOtherDimensionsAreRefused() throws {
    let made = try Made([8, 3, 2])
    let adapters = [try made.adapter("one", rank: 2), try made.adapter("other", rank: 2)]
    let error = try refused(made, adapters, .svd(.linear, rank: nil, clamp: nil)) as? CombinationError
    #expect(error?.message.contains("a convolution of 1 dimensions") == true && error?.errorClass == "unsupported")
    #expect(try refused(made, adapters, .linear) == nil)
  }

  @Test func adaptersThatChangeTheBaseAreRefused() throws {
    let made = try Made()
    let adapters = [
      try made.adapter("plain", rank: 2),
      try made.adapter("pissa", rank: 2, fields: "\"init_lora_weights\": \"pissa\""),
    ]
    for method in [CombinationMethod.linear, .svd(.linear, rank: nil, clamp: nil)] {
      let error = try refused(made, adapters, method) as? CombinationError
      #expect(error?.problem == .decomposition(.pissa) && error?.file?.hasSuffix("adapter_config.json") == true)
      #expect(error?.hint == nil && error?.errorClass == "unsupported")
    }
  }

  @Test func anUpdateThatIsNotFiniteIsNamed() throws {
    let made = try Made()
    let one = try made.adapter("one", rank: 2)
    let other = try writeAdapter(
      made.scratch.file("other"), rank: 1, alpha: "1",
      [
        TestTensor("m.lora_A.weight", .f32, [1, 6], numbers: [3e38, 0, 0, 0, 0, 0]),
        TestTensor("m.lora_B.weight", .f32, [8, 1], numbers: [Float](repeating: 3e38, count: 8)),
      ])
    let error = try refused(made, [one, other], .svd(.linear, rank: nil, clamp: nil))
    #expect(error?.errorClass == "nonfinite" && error?.tensor == "m")
  }
}
