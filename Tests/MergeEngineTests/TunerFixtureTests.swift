import Safetensors
import TestSupport
import Testing

@testable import Adapters
@testable import MergeEngine
@testable import MergePlanning

/// Adapters of the tuners beside LoRA, against what PEFT merges of them.
@Suite struct TunerFixtureTests {
  static let cases = FixtureCase.all.filter { !$0.isLoRA }

  @Test func everyTunerHasCasesOfEveryDType() {
    for tuner in Tuners.all where tuner != LoRA.self {
      let own = Self.cases.filter { $0.tuner == tuner.peftType.lowercased() }
      #expect(Set(own.map(\.baseDType)) == ["F32", "BF16", "F16"], "\(tuner.name)")
    }
  }

  /// The bytes of PEFT where it sums in the order of the merge, and else no element further than its neighbor: in both
  /// arithmetics where PEFT rounds once, and in PEFT's own where it rounds the delta too.
  @Test(arguments: cases, [MergeOptions.Arithmetic.exact, .peft])
  func isWhatPEFTMerges(_ testCase: FixtureCase, _ arithmetic: MergeOptions.Arithmetic) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try testCase.merge(to: output) { $0.arithmetic = arithmetic }.run()
    let found = try loadTensors(output)
    let expected = try loadTensors(try #require(testCase.correct ?? testCase.merged))
    let base = try loadTensors(testCase.base)
    #expect(Set(found.keys) == Set(expected.keys))
    var changed = 0
    for (name, tensor) in expected {
      let result = try #require(found[name])
      #expect(result.info.dtype == tensor.info.dtype && result.info.shape == tensor.info.shape, "\(name)")
      if !isSame(tensor.data, try #require(base[name]).data) { changed += 1 }
      if isSame(result.data, tensor.data) { continue }
      let one = Elements.bits(Array(result.data), tensor.info.dtype)
      let other = Elements.bits(Array(tensor.data), tensor.info.dtype)
      let isExact = testCase.match == "exact" || (testCase.match == "peft" && arithmetic == .peft)
      #expect(!isExact, "\(name): \(Elements.difference(one, other) ?? "")")
      let scale = Elements.numbers(other, tensor.info.dtype).map { abs(Double($0)) }.max() ?? 0
      let before = Elements.bits(Array(try #require(base[name]).data), tensor.info.dtype)
      for (index, (left, right)) in zip(one, other).enumerated() where left != right {
        let (value, wanted) = (Elements.widen(left, tensor.info.dtype), Elements.widen(right, tensor.info.dtype))
        // One unit in the last place of the dtype, or a few of fp32 at the scale of the sum.
        let isNear = Elements.distance(left, right, tensor.info.dtype) <= 1
        var bound = 0x1p-21 * scale
        // Singular vectors of fp32, whose last bits are those of a LAPACK; of some the rounding to 16 bits.
        if testCase.match == "decomposition" {
          bound = [.bf16: 0x1p-10, .f16: 0x1p-13][tensor.info.dtype, default: 0x1p-18] * scale
        }
        // Where PEFT rounds the delta before it adds it, and a product with it once more.
        if testCase.match == "peft" {
          let epsilon = tensor.info.dtype == .bf16 ? 0x1p-8 : 0x1p-11
          let delta = wanted - Elements.widen(before[index], tensor.info.dtype)
          bound += 2 * epsilon * abs(Double(delta)) + epsilon * abs(Double(wanted))
          // Of RoAd it rounds the matrix that multiplies the weight.
          if testCase.tuner == "road" { bound += epsilon * scale }
        }
        #expect(isNear || abs(Double(value) - Double(wanted)) <= bound, "\(name)")
      }
    }
    #expect(changed > 0)
  }
}
