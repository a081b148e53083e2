import Adapters
import Checkpoints
import Foundation
import MergeEngine
import MergePlanning
import Safetensors
import TestSupport
import Testing

/// Square weights, modules that are saved and updated, and parts of a base that a training did not have, against what PEFT
/// makes of the same files (`Fixtures/generator/siblings.py`, `Fixtures/trials`).
@Suite struct SiblingTests {
  private static let folder = fixturesPath() + "/siblings/"
  private static let trials = fixturesPath() + "/trials/"

  private func merge(
    _ name: String, _ options: MergeOptions = MergeOptions(), scratch: Scratch
  ) throws -> String {
    var base = Self.folder + name + "/base"
    var output = scratch.file("merged")
    if !FileManager.default.fileExists(atPath: base + "/config.json") {
      base += "/model.safetensors"
      output += ".safetensors"
    }
    let adapter = Self.folder + name + "/adapter"
    try TestMerge(base: base, adapters: [(adapter, 1)], output: output, options: options).run()
    return output
  }

  @Test(arguments: [
    "saved-mtp", "saved-roberta-head", "saved-two-heads", "square-alone", "square-block", "square-block-linear",
    "square-conv-only", "square-decision", "square-dora", "square-imagegpt", "square-linear", "square-linear-known",
    "square-no-config", "square-width",
  ])
  func hasTheBytesOfPEFT(name: String) throws {
    let scratch = try Scratch()
    var options = MergeOptions()
    options.arithmetic = .peft
    let found = try loadTensors(merge(name, options, scratch: scratch))
    let expected = try loadTensors(Self.folder + name + "/merged")
    #expect(Set(found.keys) == Set(expected.keys))
    for (tensor, result) in expected {
      #expect(try isSame(#require(found[tensor]).data, result.data), "\(tensor)")
    }
    // Not what the base was.
    let before = try loadTensors(Self.folder + name + "/base")
    #expect(try expected.contains { try !isSame($0.value.data, #require(before[$0.key]).data) })
  }

  /// Nothing but square weights of two names, and a flag that the last of them may have set.
  @Test func whatNothingDecidesIsAskedFor() throws {
    let scratch = try Scratch()
    let error = #expect(throws: PlanError.self) { try merge("square-undecided", scratch: scratch) }
    #expect(error?.errorClass == "orientation" && error?.hint?.contains("--fan-in-fan-out") == true)
    #expect(error?.problem == .maybeTransposed(target: "h.0.attn.c_proj.weight", shape: [16, 16]))
    var options = MergeOptions()
    options.arithmetic = .peft
    options.fanInFanOut = true
    let right = try merge("square-undecided", options, scratch: scratch)
    let (found, expected) = (try loadTensors(right), try loadTensors(Self.folder + "square-undecided/merged"))
    for (tensor, result) in expected { #expect(try isSame(#require(found[tensor]).data, result.data)) }
  }

  /// An answer is for what nothing decides: what shapes tell stands.
  @Test func anAnswerDoesNotOverruleShapes() throws {
    let scratch = try Scratch()
    var options = MergeOptions()
    options.arithmetic = .peft
    options.fanInFanOut = false
    let found = try loadTensors(merge("square-alone", options, scratch: scratch))
    let expected = try loadTensors(Self.folder + "square-alone/merged")
    for (tensor, result) in expected { #expect(try isSame(#require(found[tensor]).data, result.data)) }
  }

  /// Against results in double, whose elements are one rounding away.
  @Test(arguments: [
    ("saved-and-lora", "adapter", false), ("saved-and-lora", "adapter-dump", false),
    ("all-linear-cls", "adapter", true),
    ("all-linear-cls", "adapter-old", true), ("square-transposed", "adapter", false),
  ])
  func isTheResultInDouble(trial: String, adapter: String, adds: Bool) throws {
    let scratch = try Scratch()
    var options = MergeOptions()
    options.addsTensors = adds
    let output = scratch.file("merged")
    try TestMerge(
      base: Self.trials + trial + "/base", adapters: [(Self.trials + "\(trial)/\(adapter)", 1)], output: output,
      options: options
    ).run()
    let (found, expected) = (try loadTensors(output), try loadTensors(Self.trials + trial + "/expect"))
    #expect(Set(found.keys) == Set(expected.keys))
    for (tensor, result) in expected {
      let (one, other) = (try floats(#require(found[tensor]).data), floats(result.data))
      #expect(one.count == other.count)
      #expect(zip(one, other).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }, "\(tensor)")
    }
  }

  private func floats(_ bytes: ArraySlice<UInt8>) -> [Float] {
    let bytes = Array(bytes)
    return stride(from: 0, to: bytes.count, by: 4).map { place in
      Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << (8 * $1) })
    }
  }

  /// PEFT rounds the delta of every module of such an adapter, also of one that no list names.
  @Test func modulesOutsideOfTheListsHaveTheBytesOfPEFT() throws {
    let scratch = try Scratch()
    var options = MergeOptions()
    options.arithmetic = .peft
    let folder = Self.trials + "bdlora-unlisted"
    let output = scratch.file("merged.safetensors")
    try TestMerge(
      base: folder + "/base/model.safetensors", adapters: [(folder + "/adapter", 1)], output: output, options: options
    ).run()
    let (found, expected) = (try loadTensors(output), try loadTensors(folder + "/peft-merged"))
    #expect(expected.count == found.count)
    for (tensor, result) in expected { #expect(try isSame(#require(found[tensor]).data, result.data), "\(tensor)") }
  }
}
