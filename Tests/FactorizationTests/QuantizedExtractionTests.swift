import AdapterWriting
import Adapters
import Checkpoints
import Factorization
import LowRank
import MergeEngine
import Merging
import Platform
import Safetensors
import Staging
import TestSupport
import Testing

/// Adapters of quantized bases: extracted from a tuned model, and made LoRAs.
@Suite struct QuantizedExtractionTests {
  static let cases = QuantizedFixture.all.filter { !$0.hasExperts }

  private static func merge(_ base: String, _ adapter: String, to output: String) throws {
    var request = try MergeRequest(base: base, adapters: [adapter], output: output)
    request.engine.nonFinite = .warn
    _ = try request.prepare().run()
  }

  /// The tuned model is the base with an adapter of rank 2 merged into half of its layers; the others stay quantized.
  @Test(arguments: cases)
  func fullRankMergesToTheTunedModel(fixture: QuantizedFixture) throws {
    let scratch = try Scratch()
    let adapter = try fixture.adapter(scratch.file("adapter"), layers: 0..<1)
    let tuned = scratch.file("tuned")
    try Self.merge(fixture.base, adapter, to: tuned)
    let pair = Pair(scratch: scratch, base: fixture.base, tuned: tuned)
    let extracted: String
    do { extracted = try pair.extract(RankRule(.count(10_000)), as: "extracted") } catch let error
      as any ReportableError
    {
      // Some fixtures have scales that are infinite or NaN.
      #expect(error.message.contains("infinite or NaN"), "\(fixture): \(error.message)")
      #expect(try !Self.isFinite(fixture) && scratch.entries() == ["adapter", "tuned"])
      return
    }
    #expect(try Self.isFinite(fixture))
    let again = scratch.file("again")
    try Self.merge(fixture.base, extracted, to: again)
    let (one, other) = (try Self.tensors(again), try Self.tensors(tuned))
    #expect(Set(one.keys) == Set(other.keys))
    for (name, wanted) in other {
      let found = try #require(one[name])
      #expect(found.type == wanted.type, "\(name)")
      // Codes of weights that no adapter changes, and the numbers of those that one does.
      guard let values = wanted.values, let again = found.values else {
        #expect(found.bytes == wanted.bytes, "\(name)")
        continue
      }
      let largest = values.reduce(0) { max($0, $1.magnitude) }
      let unit: Float = wanted.type == .f32 ? 1e-6 : wanted.type == .f16 ? 0x1p-10 : 0x1p-7
      let worst = zip(values, again).reduce(Float(0)) { max($0, ($1.0 - $1.1).magnitude) }
      #expect(worst <= unit * largest, "\(fixture): \(name)")
    }
  }

  /// Without a base, the change of a module is known from the adapter alone: hostile scales do no harm.
  @Test(arguments: cases)
  func loraOfAnAdapterMergesAsTheAdapter(fixture: QuantizedFixture) throws {
    let scratch = try Scratch()
    let adapter = try fixture.adapter(scratch.file("adapter"), layers: 0..<1)
    let (model, input) = (try Checkpoint(path: fixture.base), try Adapter(path: adapter))
    let plan = try ExtractionPlan(base: model, adapter: input, ExtractionOptions(rule: RankRule(.count(2))))
    #expect(plan.units.map(\.name) == ["model.layers.0.proj"] && plan.savedTensorCount == 0)
    let lora = scratch.file("lora")
    let identity = try MergeIdentity(command: "convert", version: "1", options: [], adapters: [input], models: [model])
    try AdapterWriter(plan.units, workers: 1).run(
      to: AdapterDestination(lora, isFolder: true, inputs: [fixture.base, adapter]), as: identity
    ) { try plan.document($0) }
    let written = try LoRAFactors(lora, module: "model.layers.0.proj")
    let given = try LoRAFactors(adapter, module: "model.layers.0.proj")
    let (found, wanted) = (written.delta, given.delta)
    let largest = wanted.reduce(0) { max($0, $1.magnitude) }
    #expect(zip(found, wanted).allSatisfy { abs($0 - $1) <= 1e-6 * largest })
  }

  /// Two factors with scaling 1, and their product in double.
  private struct LoRAFactors {
    let delta: [Double]

    init(_ path: String, module: String) throws {
      let file = try SafetensorsFile(path: path + "/adapter_model.safetensors")
      func factor(_ letter: String) throws -> (values: [Float], shape: [Int]) {
        let name = TensorName("base_model.model.\(module).lora_\(letter).weight")
        let bare = TensorName("\(module).lora_\(letter).weight")
        let found = file.tensor(name) == nil ? bare : name
        return (try file.floats(found), try #require(file.tensor(found)).shape)
      }
      let (a, b) = (try factor("A"), try factor("B"))
      let (rank, columns, rows) = (a.shape[0], a.shape[1], b.shape[0])
      var delta = [Double](repeating: 0, count: rows * columns)
      for row in 0..<rows {
        for index in 0..<rank {
          let left = Double(b.values[row * rank + index])
          for column in 0..<columns {
            delta[row * columns + column] += left * Double(a.values[index * columns + column])
          }
        }
      }
      self.delta = delta
    }
  }

  private static func isFinite(_ fixture: QuantizedFixture) throws -> Bool {
    let file = try SafetensorsFile(path: fixture.decoded)
    return try fixture.weights.allSatisfy { try file.floats(TensorName($0)).allSatisfy(\.isFinite) }
  }

  private struct Stored {
    let type: DType
    let bytes: [UInt8]
    /// Nil: they are codes, or integers.
    let values: [Float]?
  }

  private static func tensors(_ path: String) throws -> [String: Stored] {
    var tensors: [String: Stored] = [:]
    for file in try Checkpoint(path: path).files {
      let opened = try SafetensorsFile(path: file.path)
      for tensor in file.header.tensors {
        let isNumbers = [DType.f32, .f16, .bf16].contains(tensor.dtype)
        tensors[tensor.name.string] = Stored(
          type: tensor.dtype,
          bytes: try opened.withBytes(of: tensor.name) { span in span.withUnsafeBytes { Array($0) } },
          values: isNumbers ? try opened.floats(tensor.name) : nil)
      }
    }
    return tensors
  }
}
