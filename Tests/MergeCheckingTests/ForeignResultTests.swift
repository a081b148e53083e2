import CPlainArithmetic
import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import Inspection
@testable import MergeChecking

/// Results that another tool may have made, nothing of which is known: right ones are right in whatever way they were
/// rounded, and what is wrong by little is found.
@Suite struct ForeignResultTests {
  /// One matrix of 256 x 192 with normal values and LoRA factors for it, as numbers.
  fileprivate struct Model {
    static let rows = 256
    static let columns = 192
    static let rank = 8
    static let scaling = 2.0
    let weight: [Float]
    let left: [Float]
    let right: [Float]
    let dtype: DType

    init(_ dtype: DType, spread: Double = 0.02, change: Double = 0.002) {
      var random = SeededGenerator(seed: 14)
      // Sums of uniform numbers, near enough to normal ones.
      func values(_ count: Int, _ spread: Double) -> [Float] {
        (0..<count).map { _ in
          Float(spread * (0..<4).reduce(0.0) { sum, _ in sum + Double.random(in: -0.87...0.87, using: &random) })
        }
      }
      self.dtype = dtype
      weight = Self.rounded(values(Self.rows * Self.columns, spread).map(Double.init), dtype)
      left = values(Self.rows * Self.rank, 0.05)
      right = values(Self.rank * Self.columns, change / (Self.scaling * 0.05 * Double(Self.rank).squareRoot()))
    }

    static func bytes(_ values: [Float], _ dtype: DType) -> [UInt8] {
      guard let type = PlainArithmetic.type(dtype) else { return [] }
      var bytes = [UInt8](repeating: 0, count: values.count * PlainArithmetic.byteCount(type))
      PlainArithmetic.round(values, as: type, count: values.count, into: &bytes)
      return bytes
    }

    /// Of 16 bits: through fp32, whose rounding first may decide only ties, one in 2^16.
    static func rounded(_ values: [Double], _ dtype: DType) -> [Float] {
      guard let type = PlainArithmetic.type(dtype) else { return [] }
      var result = [Float](repeating: 0, count: values.count)
      PlainArithmetic.widen(bytes(values.map(Float.init), dtype), as: type, count: values.count, into: &result)
      return result
    }

    /// The exact delta of every element.
    var delta: [Double] {
      (0..<Self.rows).flatMap { row in
        (0..<Self.columns).map { column in
          Self.scaling
            * (0..<Self.rank).reduce(0.0) { sum, k in
              sum + Double(left[row * Self.rank + k]) * Double(right[k * Self.columns + column])
            }
        }
      }
    }

    private func tensor(_ name: String, _ values: [Float], _ dtype: DType, _ shape: [Int]) -> TestTensor {
      TestTensor(name, dtype, shape, bytes: Self.bytes(values, dtype))
    }

    /// Writes a base, an adapter and `values` as the result; returns what the check says of the matrix.
    func check(
      _ values: [Double], _ change: (inout [UInt8]) -> Void = { _ in }
    ) throws -> (verdict: MergeCheck.Verdict?, findings: [Finding], comparison: TensorComparison?, notes: [String]) {
      let scratch = try Scratch()
      let shape = [Self.rows, Self.columns]
      let norm = TestTensor("norm.weight", dtype, [4])
      try writeFile(scratch.file("base.safetensors"), [tensor("m.weight", weight, dtype, shape), norm])
      let adapter = try writeAdapter(
        scratch.file("adapter"), rank: Self.rank, alpha: "16",
        [
          tensor("m.lora_A.weight", right, .f32, [Self.rank, Self.columns]),
          tensor("m.lora_B.weight", left, .f32, [Self.rows, Self.rank]),
        ])
      var bytes = Self.bytes(Self.rounded(values, dtype), dtype)
      change(&bytes)
      try writeFile(scratch.file("result.safetensors"), [TestTensor("m.weight", dtype, shape, bytes: bytes), norm])
      let report = try MergeCheckingTests.check(
        scratch.file("result.safetensors"), scratch.file("base.safetensors"), [(adapter, 1)])
      let found = report.tensors.first { $0.name == "m.weight" }
      return (found?.verdict, report.findings, found?.comparison, report.notes)
    }

    /// The base plus `factor` times the delta.
    func sum(_ factor: Double = 1) -> [Double] { zip(weight, delta).map { Double($0) + factor * $1 } }
  }

  @Test(arguments: [DType.bf16, .f16, .f32])
  func rightOnesAreRight(dtype: DType) throws {
    let model = Model(dtype)
    let found = try model.check(model.sum())
    #expect(found.findings == [])
    #expect(found.verdict == .exact || found.verdict == .rounded, "\(found.findings)")
    // The products may reach farther than W and the delta, and fp32 rounds at each.
    #expect(try #require(found.comparison).worstError <= 1)
  }

  /// A delta that is rounded to the base's dtype before it is added is no fault.
  @Test(arguments: [DType.bf16, .f16])
  func twoRoundingsAreNoFault(dtype: DType) throws {
    for change in [0.002, 0.0002] {
      let model = Model(dtype, change: change)
      let found = try model.check(zip(model.weight, Model.rounded(model.delta, dtype)).map { Double($0) + Double($1) })
      #expect(found.findings == [], "\(change)")
      #expect(found.verdict.map { $0 != .exact } == true)
    }
  }

  /// A part in a thousand too much or too little, which is less than the roundings of 16 bits, shows in the side to which
  /// elements are off.
  @Test(arguments: [DType.bf16, .f16, .f32], [1.001, 0.999])
  func aScalingThatIsSlightlyOffIsFound(dtype: DType, factor: Double) throws {
    let model = Model(dtype)
    let found = try model.check(model.sum(factor))
    #expect(!found.findings.isEmpty)
    guard dtype != .f32 else { return }
    #expect(found.verdict == .fault(factor > 1 ? .scaleTooLarge : .scaleTooSmall))
    #expect(found.findings.map(\.findingClass) == ["scaling-off"])
  }

  /// Rounding at random moves small deltas to one side too, and is no scaling.
  @Test func roundingAtRandomIsNoScaling() throws {
    let model = Model(.bf16, change: 0.00002)
    var random = SeededGenerator(seed: 3)
    let values = zip(model.weight, model.delta).map { weight, delta in
      let step = PlainArithmetic.spacing(SPA_BF16, at: Double(weight))
      return Double.random(in: 0..<1, using: &random) * step < abs(delta)
        ? Double(weight) + (delta > 0 ? step : -step) : Double(weight)
    }
    let found = try model.check(values)
    #expect(!found.findings.contains { $0.findingClass == "scaling-off" }, "\(found.findings)")
  }

  /// The last bit, and one element that is its neighbor's.
  @Test(arguments: [DType.bf16, .f16])
  func oneElementIsFound(dtype: DType) throws {
    let model = Model(dtype)
    for place in [0, 4096, Model.rows * Model.columns - 1] {
      let flipped = try model.check(model.sum()) { $0[place * 2] ^= 1 }
      #expect(flipped.findings.map(\.findingClass) == ["damaged"], "\(place)")
      #expect(flipped.verdict == .damaged(count: 1))
      var values = model.sum()
      values[place] = values[place] == values[1] ? values[2] : values[1]
      #expect(try model.check(values).verdict == .damaged(count: 1))
    }
  }

  @Test(arguments: [DType.bf16, .f16, .f32])
  func aModuleThatWasLeftOutIsNamed(dtype: DType) throws {
    let model = Model(dtype)
    let found = try model.check(model.sum(0))
    #expect(found.findings.map(\.findingClass) == ["base-unchanged", "delta-dropped"])
  }

  /// Where the base and the delta cancel, what is left is no more accurate than they are: the error is reported at their scale,
  /// and why, once.
  @Test(arguments: [DType.bf16, .f32])
  func errorsAreMeasuredAtTheScaleOfTheTerms(dtype: DType) throws {
    let plain = Model(.f32)
    // A base that is the delta's negative, up to its own rounding.
    let model = Model(dtype, weight: Model.rounded(plain.delta.map { -$0 }, dtype), plain)
    // As a merge computes it: products and sums in fp32.
    let delta = (0..<Model.rows).flatMap { row in
      (0..<Model.columns).map { column in
        var sum: Float = 0
        for k in 0..<Model.rank {
          sum.addProduct(plain.left[row * Model.rank + k], plain.right[k * Model.columns + column])
        }
        return Float(Model.scaling) * sum
      }
    }
    let found = try model.check(zip(model.weight, delta).map { Double($0 + $1) })
    #expect(found.findings == [] && found.verdict == .exact, "\(found.findings)")
    let comparison = try #require(found.comparison)
    #expect(comparison.worstError <= 2, "\(comparison.worstError)")
    #expect(comparison.cancelled > 0 || dtype != .f32)
    #expect(found.notes.count { $0.contains("nearly cancel") } == (comparison.cancelled > 0 ? 1 : 0))
  }
}

extension ForeignResultTests.Model {
  /// The factors of another model with a base of its own.
  fileprivate init(_ dtype: DType, weight: [Float], _ other: Self) {
    self.dtype = dtype
    self.weight = weight
    left = other.left
    right = other.right
  }
}
