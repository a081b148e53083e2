import Foundation
import MergeEngine
import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import Inspection
@testable import MergeChecking

/// Wrong merges, each by an adapter that does what the faulty program does; the check gets the right
/// adapter and has to name the fault.
@Suite struct FaultTests {
  private func fixture(_ name: String) throws -> FixtureCase {
    try FixtureCase.named(name)
  }

  /// Merges a changed adapter and checks against the right one; returns the classes of the findings.
  private func findings(
    _ name: String, base: String? = nil, fields: [(String, String)] = [], weight: Double = 1,
    _ change: ([TestTensor]) throws -> [TestTensor] = { $0 }
  ) throws -> [String] {
    let scratch = try Scratch()
    let testCase = try fixture(name)
    let wrong = try changedAdapter(testCase.adapters[0], in: scratch, fields: fields, change)
    let output = scratch.file("merged")
    try merge(base ?? testCase.base, [(wrong, weight)], to: output, options: testCase.options)
    let report = try check(output, base ?? testCase.base, testCase.uses, planning: testCase.options)
    return report.findings.map(\.findingClass)
  }

  private func numbers(_ tensor: TestTensor) -> [Float] {
    var values = [Float](repeating: 0, count: tensor.bytes.count / (tensor.dtype.bitCount / 8))
    if let type = PlainArithmetic.type(tensor.dtype) {
      PlainArithmetic.widen(tensor.bytes, as: type, count: values.count, into: &values)
    }
    return values
  }

  private func tensor(_ name: String, _ shape: [Int], _ values: [Float]) -> TestTensor {
    TestTensor(
      name, .f32, shape, bytes: values.flatMap { value in withUnsafeBytes(of: value.bitPattern) { Array($0) } })
  }

  /// The names in the files have `base_model.model.`, and `writeFile` adds nothing.
  private func scaled(_ tensors: [TestTensor], _ suffix: String, by factor: Float) -> [TestTensor] {
    tensors.map { old in
      old.name.hasSuffix(suffix) ? tensor(old.name, old.shape, numbers(old).map { $0 * factor }) : old
    }
  }

  @Test(arguments: ["lora-bias-bf16", "lora-bias-f16", "lora-bias-f32"])
  func namesBiasesWithoutScaling(_ name: String) throws {
    // s is 10 / 4.
    #expect(try findings(name) { scaled($0, "lora_B.bias", by: 1 / 2.5) } == ["lora-bias-unscaled"])
  }

  @Test func namesDroppedLoRABiases() throws {
    #expect(try findings("lora-bias-bf16") { scaled($0, "lora_B.bias", by: 0) } == ["lora-bias-dropped"])
  }

  @Test(arguments: ["rslora-bf16", "rslora-f32"])
  func namesIgnoredRSLoRA(_ name: String) throws {
    #expect(try findings(name, fields: [("use_rslora", "false")]) == ["rslora-ignored"])
  }

  @Test func namesAssumedRSLoRA() throws {
    #expect(try findings("gpt2-bf16", fields: [("use_rslora", "true")]) == ["rslora-assumed"])
  }

  @Test func namesIgnoredPatterns() throws {
    #expect(try findings("pattern-order-bf16", fields: [("alpha_pattern", "{}")]) == ["patterns-ignored"])
  }

  @Test func namesADroppedEmbedding() throws {
    #expect(try findings("embedding-bf16") { scaled($0, "lora_embedding_B", by: 0) } == ["embedding-dropped"])
  }

  @Test func namesDroppedBiases() throws {
    let found = try findings("bias-all-bf16", fields: [("bias", "\"none\"")]) { tensors in
      tensors.filter { !$0.name.hasSuffix("bias") }
    }
    #expect(found == ["bias-dropped"])
  }

  @Test func namesDroppedModules() throws {
    let found = try findings("modules-to-save-bf16", fields: [("modules_to_save", "null")]) { tensors in
      tensors.filter { $0.name.contains(".lora_") }
    }
    #expect(found == ["saved-module-dropped"])
  }

  @Test func namesDroppedTokens() throws {
    let found = try findings("tokens-list-bf16", fields: [("trainable_token_indices", "null")]) { tensors in
      tensors.filter { $0.name.contains(".lora_") }
    }
    #expect(found == ["token-rows-dropped"])
  }

  @Test(arguments: ["dora-linear-bf16", "dora-linear-f32"])
  func namesIgnoredDoRA(_ name: String) throws {
    let found = try findings(name, fields: [("use_dora", "false")]) { tensors in
      tensors.filter { !$0.name.contains("lora_magnitude_vector") }
    }
    #expect(found == ["dora-ignored"])
  }

  @Test(arguments: [(2.0, "delta-twice"), (-1.0, "delta-subtracted"), (4.0 / 7, "scaling-missing")])
  func namesOtherFactors(weight: Double, expected: String) throws {
    #expect(try findings("linear-bf16", weight: weight) == [expected])
    #expect(try findings("linear-f32", weight: weight) == [expected])
  }

  @Test func namesAnUnchangedBase() throws {
    let testCase = try fixture("linear-bf16")
    let report = try check(testCase.base, testCase.base, testCase.uses)
    #expect(report.findings.map(\.findingClass) == ["base-unchanged", "delta-dropped"])
  }

  @Test func namesATransposedDelta() throws {
    // Square modules alone: the delta of q_proj, 16 x 16, has its factors exchanged.
    let found = try findings("embedding-bf16") { tensors in
      tensors.map { old in
        guard old.name.contains("q_proj"),
          let other = tensors.first(where: {
            $0.name.contains("q_proj") && $0.name != old.name
              && $0.name.hasPrefix(String(old.name.dropLast("lora_A.weight".count)))
          })
        else { return old }
        let (rows, columns) = (other.shape[0], other.shape[1])
        let values = numbers(other)
        return tensor(
          old.name, [columns, rows],
          (0..<columns).flatMap { column in (0..<rows).map { values[$0 * columns + column] } })
      }
    }
    #expect(found == ["delta-transposed"])
  }

  @Test func namesADroppedAdapter() throws {
    let scratch = try Scratch()
    let testCase = try fixture("sequential-bf16")
    let output = scratch.file("merged")
    try merge(testCase.base, [testCase.uses[0]], to: output)
    let report = try check(output, testCase.base, testCase.uses)
    #expect(report.findings.contains { $0.findingClass == "adapter-dropped" && $0.message.contains("adapter 2") })
    #expect(report.findings.allSatisfy { ["adapter-dropped", "delta-dropped"].contains($0.findingClass) })
  }

  @Test func namesAnIgnoredWeight() throws {
    let scratch = try Scratch()
    let testCase = try fixture("linear-bf16")
    let output = scratch.file("merged")
    try merge(testCase.base, testCase.uses, to: output)
    let report = try check(output, testCase.base, [(testCase.adapters[0], 0.3)])
    #expect(report.findings.map(\.findingClass) == ["weight-ignored"])
  }

  /// What no fault of the list explains is not called by the name of one.
  @Test func namesNothingForAnotherAdapter() throws {
    let found = try findings("linear-bf16") { tensors in
      tensors.map { old in
        old.name.hasSuffix("lora_A.weight") ? tensor(old.name, old.shape, numbers(old).reversed()) : old
      }
    }
    #expect(!found.isEmpty && found.allSatisfy { $0 == "not-the-merge" })
  }

  /// PEFT's safe_merge rounds the delta first: no fault, and said.
  @Test func knowsTwoRoundings() throws {
    let testCase = try fixture("linear-bf16")
    let scratch = try Scratch()
    let output = scratch.file("merged")
    var options = MergeOptions()
    options.arithmetic = .peft
    try merge(testCase.base, testCase.uses, to: output, options: options)
    #expect(try check(output, testCase.base, testCase.uses).findings == [])
  }

  @Test(arguments: ["linear-bf16", "linear-f16"])
  func acceptsStochasticRounding(_ name: String) throws {
    let scratch = try Scratch()
    let testCase = try fixture(name)
    let output = scratch.file("merged")
    try merge(testCase.base, testCase.uses, to: output, rounding: .stochastic(seed: 5))
    #expect(try check(output, testCase.base, testCase.uses) { $0.isStochastic = true }.findings == [])
    let strict = try check(output, testCase.base, testCase.uses) { $0.hasPromisedBits = true }
    #expect(!strict.findings.isEmpty || strict.tensors.contains { $0.verdict == .roundedSeveralTimes })
  }
}
