import Checkpoints
import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import Inspection
@testable import MergeChecking

/// One bit of a result that is flipped is found, wherever it is.
@Suite struct DamageTests {
  /// Flips single bits of every tensor: the lowest and one at random, of elements at random.
  ///
  /// - Parameter isOwn: Whether it is known to be safemerge's own result, as `.safemerge.json` tells.
  private func flipBits(_ testCase: FixtureCase, _ output: String, isOwn: Bool) throws {
    func findings() throws -> [Finding] {
      try check(output, testCase.base, testCase.uses, planning: testCase.options) {
        $0.hasPromisedBits = isOwn ? true : nil
      }.findings
    }
    var random = SeededGenerator()
    let checkpoint = try Checkpoint(path: output)
    for file in checkpoint.files {
      let bytes = try contents(file.path)
      for tensor in file.header.tensors where tensor.byteCount > 0 {
        let size = tensor.dtype.bitCount / 8
        for bit in [0, Int.random(in: 1..<tensor.dtype.bitCount, using: &random)] {
          let element = Int.random(in: 0..<tensor.elementCount, using: &random)
          let place = file.header.dataStart + tensor.dataOffsets.lowerBound + element * size + bit / 8
          var changed = bytes
          changed[place] ^= 1 << UInt8(bit % 8)
          try write(changed, to: file.path)
          let found = try findings()
          #expect(
            found.count == 1 && found[0].tensor == tensor.name && found[0].findingClass == "damaged",
            "\(tensor.name) element \(element) bit \(bit) \(random): \(found.map(\.description))")
        }
      }
      try write(bytes, to: file.path)
    }
    #expect(try findings() == [])
  }

  @Test(arguments: [
    "linear-f16", "linear-f32", "dora-linear-f32", "dora-gpt2-bf16", "embedding-bf16", "experts-f16", "lora-bias-bf16",
    "conv-bf16", "tokens-list-bf16",
  ])
  func isFoundInOwnResults(_ name: String) throws {
    let scratch = try Scratch()
    let testCase = try FixtureCase.named(name)
    let output = scratch.file("merged")
    try merge(testCase.base, testCase.uses, to: output, options: testCase.options)
    try flipBits(testCase, output, isOwn: true)
  }

  @Test(arguments: ["linear-bf16", "linear-f32"])
  func isFoundInResultsOfPEFT(_ name: String) throws {
    let scratch = try Scratch()
    let testCase = try FixtureCase.named(name)
    let output = try scratch.write(try contents(try #require(testCase.merged)), to: "merged.safetensors")
    try flipBits(testCase, output, isOwn: false)
  }

  /// The bits that PEFT's roundings give are other bits where safemerge's are asked for.
  @Test func otherRoundingsAreFoundInOwnResults() throws {
    let scratch = try Scratch()
    let testCase = try FixtureCase.named("embedding-bf16")
    var options = testCase.options
    options.arithmetic = .peft
    let output = scratch.file("merged")
    try merge(testCase.base, testCase.uses, to: output, options: options)
    #expect(try check(output, testCase.base, testCase.uses).findings == [])
    let told = try check(output, testCase.base, testCase.uses) { $0.hasPromisedBits = true }
    #expect(told.findings.map(\.findingClass) == ["not-the-merge"], "\(told.findings)")
  }
}
