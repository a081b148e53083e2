import AdapterWriting
import Adapters
import Checkpoints
import Factorization
import JSONText
import LowRank
import Merging
import Platform
import Safetensors
import Staging
import TestSupport
import Testing

/// Adapters of every kind become LoRAs that do the same.
@Suite struct LoRAConversionTests {
  /// One adapter each, in fp32, that a merge without options takes.
  static let cases = FixtureCase.all.filter { fixture in
    fixture.refused == nil && fixture.adapters.count == 1 && fixture.combine == nil && fixture.baseDType == "F32"
  }

  /// Weights of a MultiheadAttention, and layers that replicate others.
  private static let refused: Set<Substring> = ["attention", "attention-patterns", "replicated"]

  /// Converts the adapter at `input`; returns the path of the LoRA.
  private static func convert(
    _ input: String, base: String, _ rule: RankRule, to output: String, seed: UInt64 = 0
  ) throws -> String {
    let (model, adapter) = (try Checkpoint(path: base), try Adapter(path: input))
    var options = ExtractionOptions(rule: rule)
    options.seed = seed
    let plan = try ExtractionPlan(base: model, adapter: adapter, options)
    let destination = try AdapterDestination(output, isFolder: true, inputs: [base, input])
    let identity = try MergeIdentity(
      command: "convert", version: "1", options: [], adapters: [adapter], models: [model])
    try AdapterWriter(plan.units, workers: 2).run(to: destination, as: identity) { try plan.document($0) }
    return output
  }

  /// Whether a merge without options takes the adapter.
  private static func merges(_ base: String, _ adapter: String, to output: String) throws -> Bool {
    do {
      try Pair.merge(base, adapter, to: output)
      return true
    } catch is any ReportableError { return false }
  }

  /// Errors name the adapter where the adapter is at fault.
  @Test(arguments: [[UInt8]([0, 0, 0x80, 0x7F]), [0, 0, 0, 0]])
  func whatIsWrongWithTheAdapterIsNotTheBases(element: [UInt8]) throws {
    let scratch = try Scratch()
    let (base, module) = (fixturesPath() + "/bases/tiny-llama-f32", "model.layers.0.self_attn.q_proj")
    let weight = try #require(try readTensors(base).first { $0.name == "\(module).weight" })
    let (rows, columns) = (weight.shape[0], weight.shape[1])
    let one: [UInt8] = [0, 0, 0x80, 0x3F]
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestTensor("\(module).lora_A.weight", .f32, [1, columns], bytes: (0..<columns).flatMap { _ in one }),
        TestTensor("\(module).lora_B.weight", .f32, [rows, 1], bytes: (0..<rows).flatMap { _ in element }),
      ], fields: #""target_modules": ["q_proj"]"#)
    let error = try #require(
      refusal { _ = try Self.convert(adapter, base: base, RankRule(.count(1)), to: scratch.file("lora")) })
    #expect(error.file == adapter + "/adapter_model.safetensors")
    #expect(error.errorClass == (element[3] == 0 ? "no-change" : "nonfinite"))
    if element[3] == 0 { #expect(error.hint?.hasPrefix("was it trained?") == true) }
    #expect(try scratch.entries() == ["adapter"])
  }

  @Test(arguments: cases)
  func fullRankMergesToWhatTheAdapterMergesTo(fixture: FixtureCase) throws {
    let scratch = try Scratch()
    let expected = scratch.file("expected")
    guard try Self.merges(fixture.base, fixture.adapters[0], to: expected) else { return }
    let lora: String
    do {
      lora = try Self.convert(
        fixture.adapters[0], base: fixture.base, RankRule(.count(10_000)), to: scratch.file("lora"))
    } catch let error as FactorizationError {
      // By name, and nothing is left.
      #expect(Self.refused.contains(fixture.name.dropLast("-f32".count)), "\(fixture): \(error.message)")
      #expect(error.errorClass == "unsupported")
      #expect(try scratch.entries() == ["expected"])
      return
    }
    #expect(try Adapter(path: lora).config.peftType == "LORA")
    let again = scratch.file("again")
    try Pair.merge(fixture.base, lora, to: again)
    let (one, other) = (try Pair.values(again), try Pair.values(expected))
    #expect(Set(one.keys) == Set(other.keys))
    for (name, values) in other {
      let largest = values.reduce(0) { max($0, $1.magnitude) }
      let found = try #require(one[name])
      let worst = zip(found, values).reduce(Float(0)) { max($0, ($1.0 - $1.1).magnitude) }
      #expect(found.count == values.count && worst <= 1e-6 * largest, "\(fixture): \(name): \(worst / largest)")
    }
  }

  /// PEFT refuses a list of modules that fits none.
  @Test func wholeTensorsAloneTargetNoModule() throws {
    let scratch = try Scratch()
    let fixture = try FixtureCase.named("ln_tuning-rms-f32")
    let lora = try Self.convert(
      fixture.adapters[0], base: fixture.base, RankRule(.count(1)), to: scratch.file("lora"))
    let text = try contents(lora + "/adapter_config.json")
    #expect(try JSONParser.parse(text.span)["target_modules"] == .string("dummy-target-modules"))
    #expect(try Adapter(path: lora).updates.isEmpty)
  }
}
