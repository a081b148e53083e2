import Adapters
import Checkpoints
import MergeEngine
import MergePlanning
import Reports
import Safetensors
import Staging
import TestSupport
import Testing
import TileKernels

/// A merge of several adapters with statistics.
struct ReportMerge {
  let plan: MergePlan
  let output: String
  let outcome: MergeEngine.Outcome
  let report: MergeReport

  init(
    base: String, adapters: [(String, Double)], output: String, options: MergeOptions = MergeOptions(),
    engine: MergeEngine.Options = .init(workers: 2), collects: Bool = true
  ) throws {
    let checkpoint = try Checkpoint(path: base)
    let uses = try adapters.map { AdapterUse(try Adapter(folder: $0.0), weight: $0.1) }
    plan = try MergePlan(base: checkpoint, adapters: uses, options: options)
    self.output = output
    var engine = engine
    engine.collectsStatistics = collects
    let place = try OutputPlace(path: output, isFolder: checkpoint.folder != nil, inputs: [], force: false)
    outcome = try MergeEngine(plan, options: engine).run(to: place, sideFiles: .none)
    let request = MergeReport.Request(
      program: "test", base: "base", adapters: [.init(path: "adapter", weight: 1)], output: "output",
      options: [.init(name: "dtype", value: "same")])
    report = MergeReport(request, plan: plan, options: engine, outcome: outcome)
  }

  func statistics(_ name: String) -> TensorStatistics? { outcome.statistics.first { $0.name == TensorName(name) } }
}

/// The statistics of a tensor, in doubles, one element after another.
struct PlainStatistics {
  var changed: UInt64 = 0
  var intended = 0.0
  var lost = 0.0
  var base = 0.0

  /// - Parameter unchanged: The bits that the base has in the dtype of the result.
  init(base: [Float], unchanged: [UInt32], output: [UInt32], values: [Float], delta: [Double]) {
    for i in base.indices {
      if output[i] != unchanged[i] { changed += 1 }
      let (w, o) = (Double(base[i]), Double(values[i]))
      guard w.isFinite, o.isFinite, delta[i].isFinite else { continue }
      intended += delta[i] * delta[i]
      lost += (o - w - delta[i]) * (o - w - delta[i])
      self.base += w * w
    }
  }

  func expectSame(
    _ found: TensorStatistics?, _ bound: Double, _ comment: String, location: SourceLocation = #_sourceLocation
  ) {
    // What 16 bits lose is a difference of rounded differences, right to a part of the change itself too.
    let further = 0x1p-24 * (intended.squareRoot() + lost.squareRoot())
    let lostBound = bound * lost + (2 * lost.squareRoot() + further) * further
    func close(_ one: Double?, _ other: Double, _ bound: Double) -> Bool {
      one.map { abs($0 - other) <= bound } ?? false
    }
    #expect(found?.changedCount == changed, "\(comment)", sourceLocation: location)
    for (one, other, bound) in [
      (found?.intendedSquares, intended, bound * intended), (found?.lostSquares, lost, lostBound),
      (found?.baseSquares, base, bound * base),
    ] {
      #expect(
        close(one, other, bound), "\(comment): \(String(describing: one)), \(other)", sourceLocation: location)
    }
  }
}

@Suite struct ReportStatisticsTests {
  static let dtypes: [DType] = [.f32, .f16, .bf16]
  private static let seeded = SeededGenerator()

  /// Weights and biases of odd shapes, with zeros, infinities and NaN among them, against the normative delta.
  @Test(arguments: dtypes, dtypes)
  func areThoseOfThePlainSums(base: DType, output: DType) throws {
    var random = Self.seeded
    let model = try MadeModel(dtype: base, factors: .f32, dataStart: 3, &random)
    let merge = try ReportMerge(
      base: model.base, adapters: [(model.adapter, 1)], output: model.output("out"),
      options: MergeOptions(outputDType: output))
    let merged = try LoadedFile(merge.output)
    #expect(merge.outcome.statistics.count == 2 * model.modules.count)
    for module in model.modules {
      for (name, bits, delta) in [
        ("\(module.name).weight", module.weight, module.delta), ("\(module.name).bias", module.bias, module.biasDelta),
      ] {
        let found = try #require(merged.elements(name))
        let expected = PlainStatistics(
          base: Elements.numbers(bits, base),
          unchanged: base == output ? bits : model.expected(bits, delta.map { _ in -0.0 }, output), output: found,
          values: Elements.numbers(found, output), delta: delta.map(Double.init))
        let statistics = merge.statistics(name)
        expected.expectSame(statistics, 0x1p-19, "\(name) \(random)")
        #expect(statistics?.elementCount == bits.count)
        #expect(statistics?.sourceDType == base)
        #expect(statistics?.outputDType == output)
      }
    }
  }

  struct Kind: CustomTestStringConvertible, Sendable {
    let base: String
    let adapters: [String]
    var isPEFTs = false
    var bound = 1e-4
    var testDescription: String { "\(adapters.joined(separator: "+"))\(isPEFTs ? " as PEFT" : "")" }
  }

  /// The change that was intended is taken from a merge into F32, whose own rounding the bound covers.
  @Test(arguments: [
    Kind(base: "tiny-llama-bf16", adapters: ["dora-linear-bf16"]),
    Kind(base: "tiny-gpt2-bf16", adapters: ["dora-gpt2-bf16"]),
    Kind(base: "tiny-llama-bf16", adapters: ["dora-embedding-bf16"]),
    Kind(base: "tiny-llama-bf16", adapters: ["dora-linear-bf16", "keys-bf16"]),
    Kind(base: "tiny-llama-bf16", adapters: ["embedding-bf16"]),
    Kind(base: "tiny-mixtral-bf16", adapters: ["experts-bf16"]),
    Kind(base: "tiny-gpt-oss-bf16", adapters: ["experts-transposed-bf16"]),
    Kind(base: "tiny-conv-bf16", adapters: ["conv-lora-bias-bf16"]),
    Kind(base: "qwen2-bf16", adapters: ["lora-bias-bf16"]),
    Kind(base: "tiny-llama-bf16", adapters: ["tokens-list-bf16"]),
    Kind(base: "tiny-llama-bf16", adapters: ["keys-bf16"], isPEFTs: true),
    Kind(base: "tiny-llama-bf16", adapters: ["embedding-bf16"], isPEFTs: true),
    Kind(base: "tiny-llama-bf16", adapters: ["keys-bf16", "embedding-bf16"], isPEFTs: true),
    Kind(base: "tiny-mixtral-bf16", adapters: ["experts-bf16"], isPEFTs: true),
    Kind(base: "tiny-llama-bf16", adapters: ["dora-linear-bf16"], isPEFTs: true, bound: 1e-3),
  ])
  func areThoseOfEveryKind(_ kind: Kind) throws {
    let scratch = try Scratch()
    let adapters = kind.adapters.map { (FixtureCase.adapter($0), 1.0) }
    let path = fixturesPath() + "/bases/" + kind.base
    var options = MergeOptions()
    let exact = try ReportMerge(
      base: path, adapters: adapters, output: scratch.file("exact"), options: MergeOptions(outputDType: .f32))
    options.arithmetic = kind.isPEFTs ? .peft : .exact
    let merge = try ReportMerge(base: path, adapters: adapters, output: scratch.file("merged"), options: options)
    let (before, meant, after) = (try loadTensors(path), try loadTensors(exact.output), try loadTensors(merge.output))
    let changed = Set(merge.plan.updatedTensors.map(\.name))
    #expect(!changed.isEmpty)
    #expect(changed == Set(merge.outcome.statistics.compactMap(\.name)))
    for name in changed {
      let (old, new, wide) = (try #require(before[name]), try #require(after[name]), try #require(meant[name]))
      let bits = Elements.bits(Array(old.data), old.info.dtype)
      let base = Elements.numbers(bits, old.info.dtype)
      let output = Elements.bits(Array(new.data), new.info.dtype)
      let intended = Elements.numbers(Elements.bits(Array(wide.data), .f32), .f32)
      let expected = PlainStatistics(
        base: base, unchanged: bits, output: output, values: Elements.numbers(output, new.info.dtype),
        delta: zip(intended, base).map { Double($0) - Double($1) })
      expected.expectSame(merge.statistics(name.string), kind.bound, "\(name)")
      #expect(expected.lost > 0 || kind.adapters == ["tokens-list-bf16"])
    }
    #expect(Set(merge.report.tensors.flatMap(\.modules)) == Set(merge.plan.modules.indices))
  }

  /// Rows added in their order: the same doubles, bit for bit, however the work is split, and the same result as without.
  @Test(arguments: ["linear", "dora-linear-bf16", "dora-gpt2-bf16"])
  func doNotDependOnWorkersOrInstructionSet(name: String) throws {
    var random = Self.seeded
    // Two tiles, of which the second ends in the middle of a tile's rows.
    let model = try MadeModel(
      dtype: .bf16, factors: .f32, shapes: [(2200, 65), (3, 131_073)], rank: 3, hasSpecialValues: false, &random)
    let scratch = try Scratch()
    let isMade = name == "linear"
    let fixture = name.contains("gpt2") ? "tiny-gpt2-bf16" : "tiny-llama-bf16"
    let base = isMade ? model.base : fixturesPath() + "/bases/" + fixture
    let adapter = isMade ? model.adapter : FixtureCase.adapter(name)
    let suffix = isMade ? ".safetensors" : ""
    let plain = try ReportMerge(
      base: base, adapters: [(adapter, 1)], output: scratch.file("plain\(suffix)"), collects: false)
    #expect(plain.outcome.statistics == [])
    let bytes = try loadTensors(plain.output)
    var first: ReportMerge?
    for kernels in KernelSet.available {
      for workers in [1, 2, 7] {
        let merge = try ReportMerge(
          base: base, adapters: [(adapter, 1)], output: scratch.file("\(kernels.name)-\(workers)\(suffix)"),
          engine: .init(workers: workers, kernels: kernels))
        for (name, tensor) in try loadTensors(merge.output) {
          #expect(isSame(tensor.data, try #require(bytes[name]).data), "\(name)")
        }
        if let first {
          #expect(merge.outcome == first.outcome, "\(kernels.name), \(workers) workers")
          #expect(merge.report.json == first.report.json)
        } else {
          first = merge
        }
      }
    }
  }

  /// A tensor that is only rounded to another dtype is not in the statistics.
  @Test func areOfChangedTensorsOnly() throws {
    let scratch = try Scratch()
    let merge = try ReportMerge(
      base: fixturesPath() + "/bases/llama-f32", adapters: [(fixturesPath() + "/lora/linear/f32/adapter", 1)],
      output: scratch.file("merged"), options: MergeOptions(outputDType: .bf16))
    #expect(merge.plan.updatedTensors.reduce(0) { count, _ in count + 1 } == 21)
    #expect(merge.outcome.statistics.count == 14)
    let names = Set(merge.outcome.statistics.compactMap(\.name))
    #expect(names == Set(merge.plan.modules.flatMap(\.targets)))
  }

  @Test func memoryForThemIsStated() throws {
    var random = Self.seeded
    let model = try MadeModel(dtype: .bf16, factors: .f32, &random)
    let plan = try TestMerge(base: model.base, adapter: model.adapter, output: model.output("out")).plan
    #expect(MemoryNeed(plan, workers: 3).statistics == 0)
    // Three tensors of most rows, 140, 29 and 17, and tiles of at most 131 rows for each worker.
    #expect(MemoryNeed(plan, workers: 3, collectsStatistics: true).statistics == (140 + 29 + 17 + 3 * 131) * 32)
  }
}
