import Checkpoints
import Foundation
import Inspection
import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import MergeChecking

/// What `check --against` says of real results.
@Suite struct FixtureTests {
  /// Results of this package's engine are exact, in every tensor.
  @Test(arguments: FixtureCase.merges)
  func findsOwnResultsExact(_ testCase: FixtureCase) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge(testCase.base, testCase.uses, to: output, options: testCase.options)
    let report = try check(output, testCase.base, testCase.uses, planning: testCase.options)
    #expect(report.findings == [])
    for tensor in report.tensors {
      switch tensor.verdict {
      case .same, .exact, .notChecked: continue
      default: Issue.record("\(tensor.name): \(tensor.verdict) \(String(describing: tensor.comparison))")
      }
    }
    // What replaces a tensor is compared as it is.
    #expect(testCase.tuner == "ln_tuning" || report.tensors.contains { $0.verdict != .same })
  }

  /// Where PEFT's result is another model, or not what the adapter computed, and what the check finds.
  static let exceptions: [String: Set<String>] = {
    // A classifier: the model has a new architecture, without the old head.
    var expected = of(["missing-tensor"], "bert-sequence", "bert-token", "bias-all-head", "llama-sequence")
    // LoRA on a tied embedding or head changes both uses; with `ensure_weight_tying` the delta is added twice.
    expected.merge(of(["not-the-merge", "tied"], "tied-both")) { $1 }
    expected.merge(of(["delta-twice"], "tied-ensured")) { $1 }
    expected.merge(of(["tied"], "tied-embedding", "tied-saved-head", "tied-saved-both")) { $1 }
    expected.merge(of(["damaged", "tied"], "tied-head")) { $1 }
    // Before DoRA the first adapter is unmerged and merged again in 16 bits.
    expected.merge(of(["not-the-merge"], "dora-after-plain", "dora-twice")) { $1 }
    expected["dora-after-plain-f32"] = nil
    expected["dora-twice-f32"] = nil
    // Of a few hundred elements the few that torch sums in another order cannot be distinguished from damage.
    expected["loha-patterns-f32"] = ["damaged"]
    expected["loha-conv-f32"] = ["damaged"]
    expected["glora-biases-f32"] = ["damaged"]
    expected["glora-none-f32"] = ["damaged"]
    expected["fourierft-linear-bf16"] = ["damaged"]
    expected["fourierft-linear-f16"] = ["damaged"]
    for name in ["linear", "drawn", "sparse"] { expected["randlora-\(name)-f32"] = ["damaged"] }
    // PEFT computes blocks, reflections and circulant matrices in fp32, and sums products of parts without fused steps.
    expected["gralora-linear-f16"] = ["damaged"]
    for name in ["linear", "pattern", "biases"] { expected["c3a-\(name)-f32"] = ["damaged"] }
    expected["oft-constrained-f16"] = ["damaged"]
    expected["hra-linear-f16"] = ["damaged"]
    return expected
  }()

  /// The same finding for these cases in every dtype.
  private static func of(_ findings: Set<String>, _ names: String...) -> [String: Set<String>] {
    Dictionary(
      uniqueKeysWithValues: names.flatMap { name in
        ["bf16", "f16", "f32"].map { ("\(name)-\($0)", findings) }
      })
  }

  @Test(arguments: FixtureCase.merges.filter { $0.merged != nil })
  func findsInResultsOfPEFTOnlyWhatPEFTGetsWrong(_ testCase: FixtureCase) throws {
    let scratch = try Scratch()
    let output = try testCase.whole(try #require(testCase.merged), in: scratch, dropped: testCase.dropped)
    let report = try check(output, testCase.base, testCase.uses, planning: testCase.options)
    let expected = Self.exceptions[testCase.name] ?? []
    #expect(
      Set(report.findings.map(\.findingClass)) == expected, "\(report.findings.map(\.description)) \(report.notes)")
  }

  @Test(arguments: FixtureCase.merges.filter { $0.correct != nil })
  func findsNothingInCorrectResults(_ testCase: FixtureCase) throws {
    let scratch = try Scratch()
    let output = try testCase.whole(try #require(testCase.correct), in: scratch, dropped: testCase.correctDropped)
    // The fixture is the tensors alone: of a right result config.json says that they are apart.
    let config = output + "/config.json"
    if testCase.name.hasPrefix("tied-"), let text = try? String(contentsOfFile: config, encoding: .utf8) {
      try text.replacing("\"tie_word_embeddings\": true", with: "\"tie_word_embeddings\": false")
        .write(toFile: config, atomically: true, encoding: .utf8)
    }
    let report = try check(output, testCase.base, testCase.uses, planning: testCase.options)
    #expect(report.findings == [], "\(report.notes)")
  }
}

extension FixtureCase {
  /// A model with the tensors of a fixture's file and, where that holds only what changed, those of the base.
  func whole(_ path: String, in scratch: Scratch, dropped: [String]) throws -> String {
    var all = try readTensors(path)
    if isPartial {
      let names = Set(all.map(\.name) + dropped)
      for file in try Checkpoint(path: base).files {
        all += try readTensors(file.path).filter { !names.contains($0.name) }
      }
    }
    let folder = try scratch.folder("whole")
    try writeFile(folder + "/model.safetensors", all, metadata: "{\"format\":\"pt\"}")
    let config = base + "/config.json"
    if FileManager.default.fileExists(atPath: config) { try write(try contents(config), to: folder + "/config.json") }
    return folder
  }
}
