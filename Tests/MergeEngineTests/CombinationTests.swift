import Adapters
import Checkpoints
import Foundation
import MergePlanning
import Platform
import Safetensors
import TestSupport
import Testing
import TileKernels

@testable import MergeEngine
@testable import Merging
@testable import Staging

/// Adapters made into one before the merge, through the whole pipeline.
@Suite struct CombinationTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    let base: String
    let adapters: [String]
    let weights: [Double]
    let merged: String
    let method: CombinationMethod
    var testDescription: String { name }
  }

  /// What PEFT's `add_weighted_adapter` made, where nothing is drawn at random and nothing is decomposed.
  static let cases: [Case] = FixtureCase.all.compactMap { entry in
    guard let combine = entry.combine, !entry.weights.isEmpty, let merged = entry.merged else { return nil }
    let density = entry.density ?? .nan
    let method: CombinationMethod
    switch combine {
    // Into 16 bits PEFT's `cat` has more roundings, which are refused: see below.
    case "cat" where entry.baseDType == "F32": method = .concatenation
    case "linear": method = .linear
    case "ties": method = .ties(density: density, sign: entry.countsSigns ? .frequency : .total)
    case "magnitude_prune": method = .magnitudePrune(density: density)
    default: return nil
    }
    return Case(
      name: entry.name, base: entry.base, adapters: entry.adapters, weights: entry.weights, merged: merged,
      method: method)
  }

  @Test func casesAreAllThere() { #expect(Self.cases.count == 13) }

  /// Merges what `adapters` make together; returns the tensors of the result.
  private func merged(
    _ base: String, _ adapters: [String], _ weights: [Double], _ method: CombinationMethod,
    arithmetic: MergeOptions.Arithmetic = .exact, workers: Int = 2
  ) throws -> [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)] {
    let scratch = try Scratch()
    let temporary = try scratch.folder("temporary")
    let checkpoint = try Checkpoint(path: base)
    var planning = MergeOptions()
    planning.arithmetic = arithmetic
    let uses = try zip(adapters, weights).map { AdapterUse(try Adapter(folder: $0), weight: $1) }
    let place = try OutputPlace(
      path: scratch.file(checkpoint.folder == nil ? "merged.safetensors" : "merged"),
      isFolder: checkpoint.folder != nil, inputs: [base], force: false)
    do {
      let combined = try CombinedAdapter(
        uses, method: method, base: checkpoint, planning: planning,
        options: CombinedAdapter.Options(temporaryFolder: temporary, workers: workers))
      let made = try scratch.entries("temporary")
      #expect(made.count == 1)
      let attributes = try FileManager.default.attributesOfItem(atPath: temporary + "/" + (made.first ?? ""))
      #expect(attributes[.posixPermissions] as? Int == 0o700)
      let plan = try MergePlan(base: checkpoint, adapters: [AdapterUse(combined.adapter)], options: planning)
      #expect(plan.modules.allSatisfy { $0.scaling == 1 })
      try MergeEngine(plan, options: MergeEngine.Options(workers: workers)).run(to: place, sideFiles: .none)
      withExtendedLifetime(combined) {}
    }
    #expect(try scratch.entries("temporary") == [])
    return try loadTensors(place.path)
  }

  @Test(arguments: cases)
  func hasTheBytesOfPEFT(_ testCase: Case) throws {
    let base = try loadTensors(testCase.base)
    let expected = try loadTensors(testCase.merged)
    for arithmetic in MergeOptions.Arithmetic.allCases {
      let found = try merged(
        testCase.base, testCase.adapters, testCase.weights, testCase.method, arithmetic: arithmetic)
      #expect(Set(found.keys) == Set(base.keys))
      for (name, tensor) in found {
        let wanted = try #require(expected[name] ?? base[name])
        #expect(tensor.info.dtype == wanted.info.dtype, "\(name)")
        #expect(isSame(tensor.data, wanted.data), "\(name) differs")
      }
    }
    #expect(expected.contains { name, tensor in base[name].map { !isSame($0.data, tensor.data) } ?? true })
  }

  /// Kinds of modules whose factors have other names and shapes: one adapter alone is `linear`, which is the adapter
  /// itself but for the rounding of two square roots.
  @Test(arguments: ["attention-f32", "conv-f32", "embedding-f32", "gpt2-f32", "modules-to-save-f32", "patterns-f32"])
  func keepsWhatOneAdapterIs(_ name: String) throws {
    let adapter = FixtureCase.adapter(name)
    let bases = [
      "attention-f32": "tiny-attention-f32", "conv-f32": "tiny-conv-f32", "gpt2-f32": "tiny-gpt2-f32",
      "patterns-f32": "llama-f32",
    ]
    let base = fixturesPath() + "/bases/" + (bases[name] ?? "tiny-llama-f32")
    let scratch = try Scratch()
    let isFile = try Checkpoint(path: base).folder == nil
    let output = scratch.file(isFile ? "merged.safetensors" : "merged")
    try TestMerge(base: base, adapter: adapter, output: output).run()
    let expected = try loadTensors(output)
    // Negative alphas have a sign to carry.
    let found = try merged(base, [adapter], [1], .linear)
    #expect(Set(found.keys) == Set(expected.keys))
    for (name, tensor) in found {
      let wanted = Elements.bits(Array(try #require(expected[name]).data), tensor.info.dtype)
      let bits = Elements.bits(Array(tensor.data), tensor.info.dtype)
      for (one, other) in zip(Elements.numbers(bits, .f32), Elements.numbers(wanted, .f32)) {
        #expect(abs(one - other) <= 1e-6 * max(1, abs(other)), "\(name)")
      }
    }
  }

  // MARK: - Made adapters

  private struct Made {
    let scratch: Scratch
    let base: String

    /// Two modules of zeros.
    init() throws {
      scratch = try Scratch()
      base = scratch.file("base.safetensors")
      try writeFile(base, ["m", "n"].map { TestTensor("\($0).weight", .f32, [8, 6]) })
    }

    func adapter(
      _ name: String, rank: Int = 2, modules: [String] = ["m", "n"], value: Float = 1, fields: String = "",
      more: [TestTensor] = []
    ) throws -> String {
      let tensors = modules.flatMap { module in
        [
          TestTensor(
            "\(module).lora_A.weight", .f32, [rank, 6], numbers: (0..<rank * 6).map { value * Float($0 % 7 - 3) }),
          TestTensor(
            "\(module).lora_B.weight", .f32, [8, rank], numbers: (0..<rank * 8).map { Float($0 % 5 - 2) / value }),
        ]
      }
      return try writeAdapter(scratch.file(name), rank: rank, alpha: "\(rank)", tensors + more, fields: fields)
    }
  }

  @Test func modulesOfSomeAdaptersAreCombinedOfThose() throws {
    let made = try Made()
    let (one, other) = (try made.adapter("one"), try made.adapter("other", modules: ["n"], value: 2))
    let alone = try merged(made.base, [one], [1], .linear)
    let both = try merged(made.base, [one, other], [1, 1], .linear)
    #expect(isSame(try #require(both["m.weight"]).data, try #require(alone["m.weight"]).data))
    #expect(!isSame(try #require(both["n.weight"]).data, try #require(alone["n.weight"]).data))
  }

  @Test func ranksMayDifferBetweenModules() throws {
    let made = try Made()
    // "n" ends both paths: the pattern of the longer one must not be the shorter one's.
    try writeFile(made.base, ["n", "m.n"].map { TestTensor("\($0).weight", .f32, [8, 6]) })
    func factors(_ module: String, _ rank: Int) -> [TestTensor] {
      [
        TestTensor("\(module).lora_A.weight", .f32, [rank, 6], numbers: [Float](repeating: 1, count: rank * 6)),
        TestTensor("\(module).lora_B.weight", .f32, [8, rank], numbers: [Float](repeating: 1, count: rank * 8)),
      ]
    }
    let adapter = try writeAdapter(
      made.scratch.file("a"), rank: 3, alpha: "3", factors("n", 3) + factors("m.n", 4),
      fields: "\"rank_pattern\": {\"m.n\": 4}, \"alpha_pattern\": {\"m.n\": 4}")
    let found = try merged(made.base, [adapter, adapter], [0.25, 0.25], .linear)
    for (name, value) in [("n", Float(3)), ("m.n", 4)] {
      let tensor = try #require(found[TensorName(name + ".weight")])
      #expect(Elements.numbers(Elements.bits(Array(tensor.data), .f32), .f32) == [Float](repeating: value, count: 48))
    }
  }

  @Test func randomChoicesDependOnTheSeedAlone() throws {
    let made = try Made()
    let adapters = [try made.adapter("one"), try made.adapter("other", value: 2)]
    for method in [
      { CombinationMethod.dareLinear(density: 0.5, seed: $0) },
      { CombinationMethod.dareTies(density: 0.5, sign: .total, seed: $0) },
    ] {
      func run(_ seed: UInt64, workers: Int = 1) throws -> [ArraySlice<UInt8>] {
        try merged(made.base, adapters, [1, -0.5], method(seed), workers: workers).sorted { $0.key < $1.key }
          .map(\.value.data)
      }
      let first = try run(1)
      #expect(try run(1, workers: 3) == first)
      #expect(try run(2) != first)
      // Modules with the same factors lose different elements.
      #expect(first[0] != first[1])
    }
    // Nothing is dropped, and nothing divided.
    let all = try merged(made.base, adapters, [1, -0.5], .dareLinear(density: 1, seed: 1))
    let linear = try merged(made.base, adapters, [1, -0.5], .linear)
    for (name, tensor) in linear { #expect(isSame(try #require(all[name]).data, tensor.data)) }
  }

  // MARK: - Refusals

  private func refused(
    _ made: Made, _ adapters: [String], _ method: CombinationMethod = .linear, weights: [Double] = [1, 1]
  ) throws -> CombinationError? {
    let temporary = try made.scratch.folder("temporary")
    let uses = try zip(adapters, weights).map { AdapterUse(try Adapter(folder: $0), weight: $1) }
    var options = MergeOptions()
    options.addsTensors = true
    let error = refusal {
      _ = try CombinedAdapter(
        uses, method: method, base: try Checkpoint(path: made.base), planning: options,
        options: CombinedAdapter.Options(temporaryFolder: temporary, workers: 1))
    }
    #expect(try made.scratch.entries("temporary") == [])
    return error as? CombinationError
  }

  @Test func ranksMustAgree() throws {
    let made = try Made()
    let adapters = [try made.adapter("one"), try made.adapter("other", rank: 3, modules: ["n"])]
    for method in [
      CombinationMethod.linear, .ties(density: 0.5, sign: .total), .magnitudePrune(density: 0.5),
      .dareLinear(density: 0.5, seed: 1), .dareTies(density: 0.5, sign: .total, seed: 1),
    ] {
      let error = try #require(try refused(made, adapters, method))
      #expect(error.problem == .ranks([2, 3]))
      #expect(error.tensor == "n")
      #expect(error.file == adapters[1] + "/adapter_model.safetensors")
      #expect(error.message.contains("\"\(method.name)\"") && error.message.contains("2, 3"))
    }
    #expect(try refused(made, adapters, .concatenation) == nil)
  }

  @Test(arguments: [
    ("dora-linear-f32", "tiny-llama-f32", "DoRA (\"use_dora\")"),
    ("experts-f32", "tiny-mixtral-f32", "\"target_parameters\""),
    ("bias-all-f32", "tiny-qwen2-f32", "trained biases (\"bias\": \"all\")"),
    ("tokens-list-f32", "tiny-llama-f32", "\"trainable_token_indices\""),
    ("replicated-f32", "tiny-llama-layers-f32", "\"layer_replication\""),
    ("bdlora-f32", "tiny-llama-f32", "BD-LoRA (\"use_bdlora\")"),
    ("lora-bias-f32", "", "\"lora_bias\""),
  ])
  func meaninglessCombinationsAreRefused(name: String, base: String, what: String) throws {
    let made = try Made()
    let adapter = try Adapter(folder: FixtureCase.adapter(name))
    var found: CombinationError?
    do throws(CombinationError) {
      _ = try CombinationLayout([AdapterUse(adapter), AdapterUse(adapter)], method: .linear)
    } catch { found = error }
    #expect(found?.problem == .unsupported(what))
    #expect(found?.file == adapter.configPath)
    #expect(found?.category == .refusedInput)
    #expect(found?.hint?.contains("merge BASE ADAPTER") == true)
    if base.isEmpty { return }
    let whole = refusal {
      _ = try CombinedAdapter(
        [AdapterUse(adapter), AdapterUse(adapter)], method: .linear,
        base: try Checkpoint(path: fixturesPath() + "/bases/" + base), planning: MergeOptions(),
        options: CombinedAdapter.Options(temporaryFolder: made.scratch.path, workers: 1))
    }
    #expect(whole as? CombinationError == found)
  }

  @Test func replacementsOfOneAdapterStayAndOfTwoAreRefused() throws {
    let made = try Made()
    func head(_ value: Float) -> [TestTensor] { [TestTensor("head.weight", .f32, [2], numbers: [value, 2])] }
    let fields = "\"modules_to_save\": [\"head\"]"
    let plain = try made.adapter("plain")
    let saving = try made.adapter("saving", fields: fields, more: head(1))
    let other = try made.adapter("other", fields: fields, more: head(1))
    #expect(try refused(made, [plain, saving]) == nil)
    #expect(try refused(made, [saving, other])?.problem == .replacedTwice(other: saving))
    #expect(try refused(made, [plain, saving], weights: [1, 0.5])?.problem == .weightedReplacement(0.5))
    // The base's own weight beside an update is the same tensor in both, or a contradiction.
    func layer(_ value: Float) -> [TestTensor] {
      [TestTensor("m.base_layer.weight", .f32, [8, 6], numbers: [Float](repeating: value, count: 48))]
    }
    let one = try made.adapter("one", more: layer(1))
    #expect(try refused(made, [one, try made.adapter("same", more: layer(1))], weights: [1, -2]) == nil)
    #expect(
      try refused(made, [one, try made.adapter("different", more: layer(2))])?.problem == .replacedTwice(other: one))
  }

  @Test func roundingsOfCatIntoSixteenBitsAreRefused() throws {
    let made = try Made()
    try writeFile(made.base, ["m", "n"].map { TestTensor("\($0).weight", .bf16, [8, 6]) })
    let adapters = [try made.adapter("one"), try made.adapter("other")]
    #expect(try refused(made, adapters, .concatenation)?.problem == .roundedBase(.bf16))
    #expect(try refused(made, adapters, .linear) == nil)
  }

  @Test func aFolderThatIsNotThereIsNamed() throws {
    let made = try Made()
    let uses = [AdapterUse(try Adapter(folder: try made.adapter("one")))]
    let missing = made.scratch.file("missing")
    let error = refusal {
      _ = try CombinedAdapter(
        uses, method: .linear, base: try Checkpoint(path: made.base), planning: MergeOptions(),
        options: CombinedAdapter.Options(temporaryFolder: missing, workers: 1))
    }
    #expect(error?.file == missing)
    #expect(error?.category == .inputOutput)
  }
}
