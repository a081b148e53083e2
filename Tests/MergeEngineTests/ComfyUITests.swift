import Checkpoints
import JSONText
import MergePlanning
import Merging
import Platform
import Safetensors
import TestSupport
import Testing
import TileKernels

@testable import MergeEngine

/// FP8 checkpoints as ComfyUI reads them: changed layers in their own format again, or the whole file in 16 bits, as torch
/// computes both (`Fixtures/generator/comfyui.py`).
@Suite struct ComfyUITests {
  static let cases = ["scaled", "described", "metadata", "plain"]

  private static func folder(_ name: String) -> String { fixturesPath() + "/comfyui/\(name)" }

  private func merge(_ name: String, _ options: MergeOptions, to output: String) throws -> TestMerge {
    try TestMerge(
      base: Self.folder(name) + "/base.safetensors", adapters: [(Self.folder(name) + "/adapter", 1)], output: output,
      options: options)
  }

  private func expectSame(_ output: String, _ expected: String, _ comment: Comment) throws {
    let (found, wanted) = (try LoadedFile(output), try LoadedFile(expected))
    #expect(Set(found.names) == Set(wanted.names), comment)
    for tensor in wanted.header.tensors {
      let other = try #require(found.info(tensor.name.string), comment)
      #expect(other.dtype == tensor.dtype && other.shape == tensor.shape, "\(tensor.name): \(comment)")
      #expect(isSame(found.data(other), wanted.data(tensor)), "\(tensor.name): \(comment)")
    }
    func metadata(_ file: LoadedFile) -> [String: String] {
      Dictionary(uniqueKeysWithValues: (file.header.metadata ?? []).map { ($0.key, $0.value) })
    }
    #expect(metadata(found) == metadata(wanted), comment)
  }

  /// Whatever the instruction set, the threads and the tiles.
  @Test(arguments: cases) func changedLayersStayInTheirFormat(name: String) throws {
    let scratch = try Scratch()
    var options = MergeOptions()
    options.requantizes = name == "plain"
    for (number, kernels) in KernelSet.available.enumerated() {
      for (workers, tileSize) in [(1, TileSize.standard)] + TileSize.all.map({ (3, $0) }) {
        let output = scratch.file("merged\(number)-\(workers)-\(tileSize).safetensors")
        let merge = try merge(name, options, to: output)
        var engine = MergeEngine.Options(workers: workers, kernels: kernels)
        engine.tileSize = tileSize
        try MergeEngine(merge.plan, options: engine).run(to: merge.place, sideFiles: merge.sideFiles)
        try expectSame(
          output, Self.folder(name) + "/requantized.safetensors", "by \(kernels.name) in tiles of \(tileSize)")
      }
    }
  }

  @Test(arguments: cases) func aDTypeDecodesTheWholeFile(name: String) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged.safetensors")
    let merge = try merge(name, MergeOptions(outputDType: .bf16), to: output)
    try merge.run()
    try expectSame(output, Self.folder(name) + "/decoded.safetensors", "as BF16")
    #expect(merge.plan.quantization?.kept == 0)
  }

  /// Also where `--requantize` was not given.
  @Test func theLossIsMeasured() throws {
    let scratch = try Scratch()
    let merge = try merge("scaled", MergeOptions(), to: scratch.file("merged.safetensors"))
    let outcome = try merge.run()
    #expect(outcome.requantized.count == 3)
    for tensor in outcome.requantized {
      let loss = try #require(tensor.loss)
      #expect(loss > 0 && loss < 0.3, "\(loss) of \(tensor.name?.string ?? "")")
    }
    #expect(outcome.requantizingWarnings(merge.plan) == [])
  }

  /// What the merge says is lost, against the generator's numbers in double.
  @Test(arguments: cases) func theLossIsTheGenerators(name: String) throws {
    let scratch = try Scratch()
    var options = MergeOptions()
    options.requantizes = name == "plain"
    let outcome = try merge(name, options, to: scratch.file("merged.safetensors")).run()
    let text = try contents(Self.folder(name) + "/numbers.json")
    guard case .object(let members) = try JSONParser.parse(text.span) else { throw LossesMissing() }
    #expect(Set(outcome.requantized.map { $0.name?.string ?? "" }) == Set(members.map(\.key)))
    for tensor in outcome.requantized {
      let wanted = try #require(members.first { $0.key == tensor.name?.string }?.value)
      guard case .real(let error)? = wanted["error"] else { throw LossesMissing() }
      let loss = try #require(tensor.loss)
      #expect(abs(loss / error - 1) < 1e-5, "\(loss) \(error)")
      #expect(tensor.codes.map { .integer(Int64($0.changedCount)) } == wanted["changed_codes"])
      #expect(tensor.codes.map { .integer(Int64($0.halfStepCount)) } == wanted["half_steps"])
    }
  }

  private struct LossesMissing: Error {}

  /// FP8 without scales: only what was asked for.
  @Test func withoutScalesAChoiceIsNeeded() throws {
    let scratch = try Scratch()
    let error = refusal { _ = try merge("plain", MergeOptions(), to: scratch.file("merged.safetensors")) }
    #expect(error?.errorClass == "dtype")
    #expect(error?.hint?.contains("--dtype bf16") == true && error?.hint?.contains("--requantize") == true)
    // Rounding to codes is no stochastic rounding.
    var request = try merge("scaled", MergeOptions(), to: scratch.file("other.safetensors")).request
    request.engine.rounding = .stochastic(seed: 1)
    #expect(refusal { _ = try request.prepare() }?.message.contains("stochastic") == true)
  }
}
