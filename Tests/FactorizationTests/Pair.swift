import AdapterWriting
import Adapters
import Checkpoints
import Factorization
import LowRank
import MergePlanning
import Merging
import Platform
import Safetensors
import Staging
import TestSupport

/// A base and a tuned model, and what is made of them.
struct Pair {
  let scratch: Scratch
  let base: String
  let tuned: String

  init(scratch: Scratch, base: String, tuned: String) {
    self.scratch = scratch
    self.base = base
    self.tuned = tuned
  }

  /// The tuned model is the base of a case with the case's adapter merged into it.
  init(_ name: String, addsTensors: Bool = false, tied: MergeOptions.Tied = .refuse) throws {
    scratch = try Scratch()
    let item = try FixtureCase.named(name)
    base = item.base
    tuned = scratch.file("tuned")
    try Self.merge(base, item.adapters[0], to: tuned, addsTensors: addsTensors, tied: tied)
  }

  static func merge(
    _ base: String, _ adapter: String, to output: String, addsTensors: Bool = false, tied: MergeOptions.Tied = .refuse
  ) throws {
    var request = try MergeRequest(base: base, adapters: [adapter], output: output)
    request.planning.addsTensors = addsTensors
    request.planning.tied = tied
    _ = try request.prepare().run()
  }

  /// Extracts an adapter; returns its path.
  @discardableResult
  func extract(
    _ rule: RankRule, as name: String = "adapter", workers: Int = 2, interruption: Interruption = .never,
    change: (inout ExtractionOptions) -> Void = { _ in }
  ) throws -> String {
    let output = scratch.file(name)
    let models = [try Checkpoint(path: base), try Checkpoint(path: tuned)]
    var options = ExtractionOptions(rule: rule)
    change(&options)
    let plan = try ExtractionPlan(base: models[0], tuned: models[1], options)
    let destination = try AdapterDestination(output, isFolder: true, inputs: [base, tuned])
    let identity = try MergeIdentity(command: "extract", version: "1", options: [], models: models)
    try AdapterWriter(plan.units, workers: workers, interruption: interruption).run(to: destination, as: identity) {
      try plan.document($0)
    }
    return output
  }

  /// The tensors of a model as fp32, by name.
  static func values(_ path: String) throws -> [String: [Float]] {
    let model = try Checkpoint(path: path)
    var values: [String: [Float]] = [:]
    for file in model.files {
      let opened = try SafetensorsFile(path: file.path)
      for tensor in file.header.tensors { values[tensor.name.string] = try opened.floats(tensor.name) }
    }
    return values
  }

  /// ||(again - base) - (tuned - base)|| / ||tuned - base|| over all tensors, in double.
  func deltaError(of again: String) throws -> Double {
    let (one, other, before) = (try Self.values(again), try Self.values(tuned), try Self.values(base))
    var (difference, total) = (0.0, 0.0)
    for (name, values) in other {
      for (index, value) in values.enumerated() {
        let start = before[name].map { Double($0[index]) } ?? 0
        let change = Double(value) - start
        let found = one[name].map { Double($0[index]) - start } ?? .infinity
        difference += (found - change) * (found - change)
        total += change * change
      }
    }
    return (difference / total).squareRoot()
  }
}
