import AdapterWriting
import Adapters
import Checkpoints
import Factorization
import Foundation
import LowRank
import Platform
import Staging
import TestSupport
import Testing

/// Adapters of image models of every kind become LoRAs that do the same.
@Suite struct ImageLoRATests {
  /// The folders of `Fixtures/image/cases` with a base and an adapter.
  static let names: [String] = {
    let folder = fixturesPath() + "/image/cases"
    let entries = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return entries.filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)/case.json") }.sorted()
  }()

  /// Adapters that widen a weight.
  private static let widened: Set<String> = ["flux-control-lora", "flux-reshape-weight"]

  private static func convert(_ fixture: ImageFixture, _ rule: RankRule, to output: String) throws -> String {
    let (model, adapter) = (try Checkpoint(path: fixture.base), try Adapter(path: fixture.adapter))
    let plan = try ImageExtractionPlan(base: model, adapter: adapter, ExtractionOptions(rule: rule))
    let destination = try AdapterDestination(output, isFolder: false, inputs: [fixture.base, fixture.adapter])
    let identity = try MergeIdentity(
      command: "convert", version: "1", options: [], adapters: [adapter], models: [model])
    try AdapterWriter(plan.units, workers: 2).run(to: destination, as: identity) { try plan.document($0) }
    return output
  }

  @Test func thereAreCases() { #expect(Self.names.count > 20) }

  @Test(arguments: names)
  func fullRankMergesToWhatTheAdapterMergesTo(name: String) throws {
    let scratch = try Scratch()
    let fixture = try ImageFixture(name)
    let expected: String
    do { expected = try fixture.merge(to: scratch.file("expected")) } catch is any ReportableError { return }
    let lora: String
    do { lora = try Self.convert(fixture, RankRule(.count(10_000)), to: scratch.file("lora.safetensors")) } catch let
      error as FactorizationError
    {
      #expect(error.errorClass == "shape" && Self.widened.contains(name), "\(name): \(error.message)")
      #expect(try !scratch.entries().contains("lora.safetensors"))
      return
    }
    #expect(!Self.widened.contains(name))
    let again = try fixture.merge(lora, to: scratch.file("again"))
    let distance = try ImagePair.distance(again, expected)
    #expect(distance <= 2e-6, "\(name): \(distance)")
  }
}
