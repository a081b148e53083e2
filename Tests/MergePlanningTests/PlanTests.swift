import Adapters
import Checkpoints
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// How an adapter meets a base, from headers alone.
@Suite struct PlanTests {
  private static let prefix = "base_model.model."

  /// A base with two projections and their biases, in one file or with a config in a folder.
  private static func baseTensors(_ dtype: DType = .bf16) -> [TestTensor] {
    [
      TestTensor("model.layers.0.q_proj.bias", dtype, [6]), TestTensor("model.layers.0.q_proj.weight", dtype, [6, 4]),
      TestTensor("model.layers.1.q_proj.weight", dtype, [6, 4]), TestTensor("model.norm.weight", dtype, [4]),
    ]
  }

  private static func layer(
    _ module: String, rank: Int = 2, rows: Int = 6, columns: Int = 4, bias: Int? = nil
  ) -> [TestTensor] {
    loraLayer(module, rank: rank, rows: rows, columns: columns)
      + (bias.map { [TestTensor("\(module).lora_B.bias", .f32, [$0])] } ?? [])
  }

  /// The plan of `adapter` and `base`; with a config the base is a folder.
  private func plan(
    base: [TestTensor], _ adapter: [TestTensor], config: String? = nil, rank: Int = 2, alpha: String = "4",
    fields: String = "", dtype: DType? = nil
  ) throws -> MergePlan {
    try makePlan(
      base: base, adapter, config: config, rank: rank, alpha: alpha, fields: fields,
      options: MergeOptions(outputDType: dtype))
  }

  private func problem(
    base: [TestTensor], _ adapter: [TestTensor], config: String? = nil, fields: String = ""
  ) -> PlanError? {
    refusal { _ = try plan(base: base, adapter, config: config, fields: fields) } as? PlanError
  }

  // MARK: What is planned

  @Test func updatesWhatTheAdapterNamesAndCopiesTheRest() throws {
    let plan = try plan(base: Self.baseTensors(), Self.layer("model.layers.1.q_proj"))
    #expect(plan.updatedTensors.map(\.name) == ["model.layers.1.q_proj.weight"])
    #expect(plan.tensorCount == 4)
    let update = try #require(plan.updatedTensors.first { _ in true }?.update)
    #expect(update.rows == 6)
    #expect(update.columns == 4)
    #expect(update.terms.map(\.scaling) == [2])
    #expect(update.terms.map(\.rows) == [0..<6])
    #expect(update.terms.map(\.columns) == [0..<4])
    guard case .product(let left, let right, nil)? = update.terms.first?.formula else {
      Issue.record("no product")
      return
    }
    #expect([left.rows, left.columns, left.rowStride, left.columnStride] == [6, 2, 2, 1])
    #expect([right.rows, right.columns, right.rowStride, right.columnStride] == [2, 4, 4, 1])
    #expect(left.source.range.count == 48)
    #expect(right.source.range.count == 32)
    #expect(plan.modules.map(\.name) == ["model.layers.1.q_proj"])
    #expect(plan.textFiles.isEmpty)
  }

  @Test func everyAdapterTensorIsUsed() throws {
    let layers = (0..<2).flatMap { Self.layer("model.layers.\($0).q_proj", bias: 6) }
    let base = Self.baseTensors() + [TestTensor("model.layers.1.q_proj.bias", .bf16, [6])]
    let plan = try plan(base: base, layers, fields: "\"lora_bias\": true")
    let ranges = plan.updatedTensors.flatMap(\.update.terms).flatMap(\.operands).map(\.source.range)
    #expect(ranges.count == 6)
    let sorted = ranges.sorted { $0.lowerBound < $1.lowerBound }
    #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
    #expect(sorted.reduce(0) { $0 + $1.count } == layers.reduce(0) { $0 + $1.bytes.count })
    for (number, module) in plan.modules.enumerated() {
      #expect(module.targets.map(\.string) == ["weight", "bias"].map { "model.layers.\(number).q_proj.\($0)" })
    }
  }

  @Test func equalInputsMakeEqualPlans() throws {
    let scratch = try Scratch()
    let base = scratch.file("base.safetensors")
    try writeFile(base, Self.baseTensors())
    let layers = (0..<2).flatMap { Self.layer("model.layers.\($0).q_proj") }
    let folder = try writeAdapter(scratch.file("adapter"), rank: 2, alpha: "4", layers)
    func plan() throws -> MergePlan {
      try MergePlan(base: Checkpoint(path: base), adapters: [AdapterUse(Adapter(folder: folder))])
    }
    let first = try plan()
    for _ in 0..<5 { #expect(try plan() == first) }
    let other = try MergePlan(
      base: Checkpoint(path: base), adapters: [AdapterUse(Adapter(folder: folder))],
      options: MergeOptions(outputDType: .f32))
    #expect(other != first)
  }

  /// alpha, r, whether rank-stabilised, and the scaling in double, rounded once.
  static let scalings: [(String, Int, Bool, Float)] = [
    ("4", 2, false, 2), ("1", 3, false, Float(1.0 / 3)), ("7", 5, false, Float(7.0 / 5)), ("0.1", 1, false, 0.1),
    ("-3", 7, false, Float(-3.0 / 7)), ("0", 2, false, 0), ("16", 8, true, Float(16 / 8.0.squareRoot())),
    ("5", 3, true, Float(5 / 3.0.squareRoot())), ("4", 64, true, 0.5),
  ]

  @Test(arguments: scalings) func scalingIsRoundedOnce(_ values: (String, Int, Bool, Float)) throws {
    let (alpha, rank, isStabilised, scaling) = values
    let plan = try plan(
      base: Self.baseTensors(), Self.layer("model.layers.0.q_proj", rank: rank, bias: 6), rank: rank, alpha: alpha,
      fields: "\"lora_bias\": true, \"use_rslora\": \(isStabilised)")
    let terms = plan.updatedTensors.flatMap(\.update.terms)
    #expect(terms.map(\.scaling) == [scaling, scaling])
    #expect(plan.modules.map { Float($0.scaling ?? 0) } == [scaling])
    #expect(plan.modules.map(\.rank) == [rank])
  }

  @Test func patternsDecideByModule() throws {
    let layers = Self.layer("model.layers.0.q_proj", rank: 3) + Self.layer("model.layers.1.q_proj", rank: 2)
    let plan = try plan(
      base: Self.baseTensors(), layers,
      fields: "\"rank_pattern\": {\"layers.0.q_proj\": 3}, \"alpha_pattern\": {\"layers.1.q_proj\": 5, \"nothing\": 1}")
    #expect(plan.modules.map(\.scaling) == [4.0 / 3, 2.5])
    #expect(plan.warnings.count { $0.contains("\"nothing\"") } == 1)
  }

  @Test func outputDTypeChangesOnlyNumbersThatAreComputedOn() throws {
    let base =
      Self.baseTensors(.f32) + [
        TestTensor("steps", .i64, [1]), TestTensor("wide", .f64, [1]), TestTensor("small", .u8, [3]),
        TestTensor("scalar", .f16, []),
      ]
    let plan = try plan(base: base, Self.layer("model.layers.0.q_proj"), dtype: .f16)
    let dtypes = Dictionary(uniqueKeysWithValues: plan.shards[0].tensors.map { ($0.name, $0.outputDType) })
    #expect(dtypes["steps"] == .i64)
    #expect(dtypes["wide"] == .f64)
    #expect(dtypes["small"] == .u8)
    #expect(dtypes["scalar"] == .f16)
    #expect(dtypes["model.norm.weight"] == .f16)
    #expect(plan.shards[0].tensors.first { $0.name == "model.norm.weight" }?.update?.terms == [])
    #expect(plan.shards[0].tensors.first { $0.name == "scalar" }?.update == nil)
    let end = plan.shards[0].tensors.map(\.outputRange.upperBound).max()
    #expect(end == plan.shards[0].fileByteCount)
  }

  // MARK: What is refused

  @Test func missingTargetNamesCandidates() {
    let error = problem(base: Self.baseTensors(), Self.layer("model.layers.0.k_proj") + Self.layer("other.v_proj"))
    #expect(error?.tensor == Self.prefix + "model.layers.0.k_proj.lora_A.weight")
    guard case .noTarget(let target, let candidates, let others)? = error?.problem else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(target == "model.layers.0.k_proj.weight")
    #expect(candidates.first == "model.layers.0.q_proj.weight")
    #expect(others == 1)
    #expect(error?.description.contains("model.layers.0.q_proj.weight") == true)
    #expect(error?.category == .refusedInput)
  }

  @Test func errorNamesTheBaseOfTheAdapter() {
    let error = problem(
      base: Self.baseTensors(), Self.layer("model.x"), fields: "\"base_model_name_or_path\": \"org/model\"")
    #expect(error?.hint?.contains("\"org/model\"") == true)
  }

  @Test func wrongShapesNameTheFactorAndBothShapes() {
    func check(rows: Int, columns: Int, factor: String, found: [Int], role: String) {
      let module = "model.layers.0.q_proj"
      let error = problem(base: Self.baseTensors(), Self.layer(module, rows: rows, columns: columns))
      #expect(
        error?.problem == .shape(factor: factor, found: found, target: "\(module).weight", expected: [6, 4]))
      #expect(error?.tensor == "\(Self.prefix)\(module).\(role).weight")
      #expect(error?.message.contains("\(found)") == true)
      #expect(error?.message.contains("[6, 4]") == true)
    }
    check(rows: 6, columns: 5, factor: "A", found: [2, 5], role: "lora_A")
    check(rows: 5, columns: 4, factor: "B", found: [5, 2], role: "lora_B")
    check(rows: 12, columns: 8, factor: "B", found: [12, 2], role: "lora_B")
  }

  @Test func targetsOfOtherRanksAreRefused() {
    for shape in [[24], [6, 4, 1], [2, 3, 4], []] {
      let base = [TestTensor("m.weight", .f32, shape)]
      let error = problem(base: base, Self.layer("m"))
      #expect(error?.errorClass == "shape", "\(shape)")
    }
  }

  @Test func transposedWeightIsRefused() {
    let error = problem(base: [TestTensor("m.weight", .f32, [4, 6])], Self.layer("m"))
    #expect(error?.problem == .storedTransposed(target: "m.weight", shape: [4, 6]))
  }

  @Test(arguments: ["c_attn", "c_proj", "c_fc", "q_attn"]) func squareConv1DOfNoKnownFamilyIsRefused(leaf: String) {
    let module = "transformer.h.0.attn.\(leaf)"
    let base = [TestTensor("\(module).weight", .f32, [4, 4])]
    let layer = Self.layer(module, rows: 4, columns: 4)
    // Without a config the name alone says that it may be; neither the flag nor a family is there to decide.
    #expect(problem(base: base, layer)?.problem == .maybeTransposed(target: "\(module).weight", shape: [4, 4]))
  }

  /// The family decides about a square weight, then the flag: a Conv1D's factors change places.
  @Test(arguments: ["c_attn", "c_proj", "c_fc", "q_attn"]) func squareConv1DIsTransposed(leaf: String) throws {
    let module = "transformer.h.0.attn.\(leaf)"
    let base = [TestTensor("\(module).weight", .f32, [4, 4])]
    let layer = Self.layer(module, rows: 4, columns: 4)
    func strides(_ config: String?, flag: Bool) throws -> [Int] {
      let plan = try plan(base: base, layer, config: config, fields: "\"fan_in_fan_out\": \(flag)")
      guard
        case .product(let left, let right, nil)? = plan.updatedTensors.first(where: { _ in true })?.update.terms.first?
          .formula
      else { return [] }
      return [left.rowStride, left.columnStride, right.rowStride, right.columnStride]
    }
    let (plain, transposed) = ([2, 1, 4, 1], [1, 4, 1, 2])
    for flag in [true, false] {
      #expect(try strides("{\"model_type\": \"gpt2\"}", flag: flag) == transposed, "\(flag)")
      // Another family's projection of the name is a Linear.
      #expect(try strides("{\"model_type\": \"starcoder2\"}", flag: flag) == plain, "\(flag)")
    }
    #expect(try strides(nil, flag: true) == transposed)
  }

  @Test(arguments: [DType.f64, .i32, .u8, .i64]) func targetsOfOtherDTypesAreRefused(dtype: DType) {
    let error = problem(base: Self.baseTensors(dtype), Self.layer("model.layers.0.q_proj"))
    #expect(error?.problem == .targetDType(target: "model.layers.0.q_proj.weight", found: dtype))
    let mixed = [TestTensor("m.weight", .f32, [6, 4]), TestTensor("m.bias", dtype, [6])]
    let biasError = problem(base: mixed, Self.layer("m", bias: 6), fields: "\"lora_bias\": true")
    #expect(biasError?.problem == .targetDType(target: "m.bias", found: dtype))
  }

  @Test func loraBiasNeedsTheBaseBias() {
    let module = "model.layers.1.q_proj"
    let error = problem(base: Self.baseTensors(), Self.layer(module, bias: 6), fields: "\"lora_bias\": true")
    #expect(error?.problem == .noBias(target: "\(module).bias"))
    #expect(error?.tensor == "\(Self.prefix)\(module).lora_B.bias")
  }

  @Test(arguments: [[5], [7], [6, 1], [1, 6], []]) func loraBiasOfOtherLengthIsRefused(shape: [Int]) {
    let base = [TestTensor("m.weight", .f32, [6, 4]), TestTensor("m.bias", .f32, shape)]
    let error = problem(base: base, Self.layer("m", bias: 6), fields: "\"lora_bias\": true")
    #expect(error?.problem == .shape(factor: "lora_bias", found: [6], target: "m.bias", expected: shape))
  }

  /// A weight of 16 bits is merged, however config.json says that others are quantized.
  @Test(arguments: [
    #"{"quantization_config": {"quant_method": "aqlm"}}"#, #"{"quantization_config": {"quant_method": "gptq"}}"#,
    #"{"quantization_config": {}}"#, #"{"quantization_config": null}"#,
    #"{"text_config": {"quantization_config": {"quant_method": "aqlm"}}}"#,
    #"{"vision_config": {"quantization_config": {"quant_method": "aqlm"}}}"#,
    #"{"compression_config": {"quant_method": "compressed-tensors", "format": "float-quantized"}}"#, "{}",
  ])
  func quantizationOfOtherModulesIsNoProblem(config: String) {
    #expect(problem(base: Self.baseTensors(), Self.layer("model.layers.0.q_proj"), config: config) == nil)
  }

  @Test(arguments: ["{\"tie_word_embeddings\": true}", "{\"text_config\": {\"tie_word_embeddings\": true}}"])
  func tiedHeadIsRefused(config: String) {
    let embedding = TestTensor("model.embed_tokens.weight", .f32, [6, 4])
    let layer = Self.layer("lm_head")
    #expect(problem(base: [embedding], layer, config: config)?.errorClass == "tied")
    #expect(problem(base: [embedding], layer, config: "{}")?.errorClass == "no-target")
    // Both are on disk: two tensors, whatever the config says.
    let both = [TestTensor("lm_head.weight", .f32, [6, 4]), embedding]
    #expect(problem(base: both, layer, config: config) == nil)
    #expect(problem(base: both, layer, config: "{\"tie_word_embeddings\": false}") == nil)
    // Other modules of such a model can be merged.
    let other = [embedding, TestTensor("m.weight", .f32, [6, 4])]
    #expect(problem(base: other, Self.layer("m"), config: config) == nil)
  }

  /// Names are bytes: two spellings of one character are two modules.
  @Test func namesAreComparedByBytes() throws {
    let (composed, decomposed) = ("m.\u{e9}", "m.e\u{301}")
    let base = [TestTensor("\(composed).weight", .f32, [6, 4])]
    #expect(problem(base: base, Self.layer(decomposed))?.errorClass == "no-target")
    let both = base + [TestTensor("\(decomposed).weight", .f32, [6, 4])]
    let plan = try plan(base: both, Self.layer(decomposed))
    #expect(plan.updatedTensors.map { Array($0.name.string.utf8) } == [Array("\(decomposed).weight".utf8)])
  }

  @Test func aSharedHeadOfATypeThatNothingIsComputedOnIsRefused() {
    let base = Self.baseTensors() + [TestTensor("model.embed_tokens.weight", .f32, [6, 4])]
    let adapter = Self.layer("model.layers.1.q_proj") + [TestTensor("lm_head.weight", .i64, [6, 4])]
    let found = problem(
      base: base, adapter, config: "{\"tie_word_embeddings\": true}", fields: "\"modules_to_save\": [\"lm_head\"]")
    #expect(found?.problem == .replacementDType(target: "lm_head.weight", found: .i64, expected: .f32))
  }

  @Test func layersThatTheBaseHasNotAreRefused() {
    func replicated(_ ranges: String) -> PlanError.Problem? {
      problem(
        base: Self.baseTensors(), Self.layer("model.layers.0.q_proj"), fields: "\"layer_replication\": \(ranges)")?
        .problem
    }
    #expect(replicated("[[0, 1], [7, 8]]") == .noSuchLayer(7))
    #expect(replicated("[[0, 1000000000]]") == .tooManyLayers(10_000))
  }
}
