import JSONText
import MergeEngine
import MergePlanning
import Platform
import Reports
import Safetensors
import TestSupport
import Testing

/// What a report warns of and advises.
@Suite struct ReportWarningTests {
  /// Two modules of 4 x 4 in BF16; of the adapter's `zero` tensors all elements are 0, of the others `size`.
  private func merge(
    zero: [String] = [], size: Float = 0.01, fields: String = "", config: String? = nil, folder: String = "base",
    adapters: Int = 1, options: MergeOptions = MergeOptions(), rounding: MergeEngine.Rounding = .nearest,
    _ scratch: Scratch
  ) throws -> ReportMerge {
    let base = try scratch.folder(folder)
    let modules = ["a.proj", "b.proj"]
    try writeFile(
      base + "/model.safetensors",
      modules.flatMap { name in
        [
          TestTensor("\(name).weight", .bf16, [4, 4], numbers: [Float](repeating: 1, count: 16)),
          TestTensor("\(name).bias", .bf16, [4], numbers: [0, 0, 0, 0]),
        ]
      })
    if let config { try write(Array(config.utf8), to: base + "/config.json") }
    let hasBias = fields.contains("lora_bias")
    let tensors = modules.flatMap { name in
      ["lora_A.weight", "lora_B.weight"].map { part in
        let value: Float = zero.contains("\(name).\(part)") ? 0 : part.contains("A") ? 1 : size / 2
        let shape = part.contains("A") ? [2, 4] : [4, 2]
        return TestTensor("\(name).\(part)", .f32, shape, numbers: [Float](repeating: value, count: 8))
      } + (hasBias ? [TestTensor("\(name).lora_B.bias", .f32, [4], numbers: [1, 2, 3, 4])] : [])
    }
    let paths = try (0..<adapters).map { number in
      try writeAdapter(scratch.file("adapter\(number)"), rank: 2, alpha: "2", tensors, fields: fields)
    }
    var engine = MergeEngine.Options(workers: 2)
    engine.rounding = rounding
    return try ReportMerge(
      base: base, adapters: paths.map { ($0, 1) }, output: scratch.file("merged"), options: options, engine: engine)
  }

  @Test(arguments: [
    (["a.proj.lora_B.weight", "b.proj.lora_B.weight"], [0, 1]), (["b.proj.lora_A.weight"], [1]),
    (["a.proj.lora_A.weight", "a.proj.lora_B.weight"], [0]), ([], []),
  ])
  func untrainedModulesAreNamed(zero: [String], found: [Int]) throws {
    let scratch = try Scratch()
    let merge = try merge(zero: zero, scratch)
    #expect(merge.outcome.untrainedModules == found)
    let warnings = merge.outcome.notices(merge.plan).filter { $0.kind == .untrained }.map(\.message)
    #expect(warnings.count == (found.isEmpty ? 0 : 1))
    if let first = found.first {
      let name = merge.plan.modules[first].name
      #expect(warnings[0].contains("adapter0/adapter_model.safetensors: \(found.count) of 2 modules change nothing"))
      #expect(warnings[0].contains("(first: \(name))"))
      #expect(merge.report.warnings == warnings)
    }
  }

  /// A bias that was trained is a change, though the product is zero.
  @Test func aTrainedBiasIsAChange() throws {
    let scratch = try Scratch()
    let zero = ["a.proj.lora_B.weight"]
    #expect(try merge(zero: zero, fields: "\"lora_bias\": true", scratch).outcome.untrainedModules == [])
  }

  @Test func everyAdapterHasItsLine() throws {
    let scratch = try Scratch()
    let merge = try merge(zero: ["a.proj.lora_B.weight"], adapters: 2, scratch)
    #expect(merge.outcome.untrainedModules == [0, 2])
    let warnings = merge.outcome.notices(merge.plan).filter { $0.kind == .untrained }.map(\.message)
    #expect(warnings.map { $0.contains("1 of 2 modules") } == [true, true])
    #expect(warnings.map { $0.contains("adapter1/") } == [false, true])
  }

  @Test(arguments: [(Float(0.29), false), (0.31, true)])
  func largeChangesAreNamed(size: Float, isLarge: Bool) throws {
    let scratch = try Scratch()
    let warning = try merge(zero: ["b.proj.lora_B.weight"], size: size, scratch).report.sizeWarning
    #expect((warning != nil) == isLarge)
    if isLarge {
      let start = "1 of 2 tensors change by more than 30.0 % of the norm of the weights (most: a.proj.weight"
      #expect(warning?.hasPrefix(start) == true)
    }
  }

  /// Biases of bases are often near zero: their ratio says nothing.
  @Test func biasesAreNoLargeChange() throws {
    let scratch = try Scratch()
    let report = try merge(fields: "\"lora_bias\": true", scratch).report
    #expect(report.sizeWarning == nil)
    #expect(report.tensors.count == 4)
    #expect(report.tensors.map(\.isLowRank) == [true, false, true, false])
    #expect(report.tensors[1].statistics.ratio == nil)
  }

  /// 1 + 0.005 is 1 or 1.0078125 in BF16.
  @Test func roundingAdviceFollowsFromTheLoss() throws {
    let nearest = try merge(size: 0.005, try Scratch()).report
    #expect(nearest.advice.count == 1)
    #expect(nearest.advice[0].contains("in 2 of 2 tensors (most: a.proj.weight, 56.3 %)"))
    #expect(nearest.advice[0].hasSuffix("--dtype float32 keeps it, --round stochastic:SEED keeps it on average"))
    let stochastic = try merge(size: 0.005, rounding: .stochastic(seed: 1), try Scratch()).report
    #expect(stochastic.advice.map { $0.hasSuffix("--dtype float32 keeps all of it") } == [true])
    #expect(try merge(size: 0.0078125, try Scratch()).report.advice == [])
    let wide = try merge(size: 0.005, options: MergeOptions(outputDType: .f32), try Scratch()).report
    #expect(wide.advice == [])
    #expect(try #require(wide.totals.loss) < 1e-4)
  }

  @Test(arguments: [
    ("org/Model-7B", "{\"_name_or_path\": \"other/model-7b\"}", "x", false),
    ("org/Model-7B/", "{\"_name_or_path\": \"/data/Model-7B\"}", "x", false),
    ("org/Model-7B", "{\"_name_or_path\": \"org/Model-8B\"}", "x", true),
    ("org/Model-7B", "{\"_name_or_path\": \"org/Model-8B\"}", "model-7B", false),
    ("org/Model-7B", "{\"_name_or_path\": \"\"}", "x", false),
    ("org/Model-7B", "{\"_name_or_path\": null}", "x", false),
    ("org/Model-7B", "{}", "Model-8B", false), ("", "{\"_name_or_path\": \"org/Model-8B\"}", "x", false),
    ("org/Model-7B", "{}", "models--org--Model-7B/snapshots/0123", false),
    ("org/Model-7B", "{}", "models--org--Model-8B/snapshots/0123", true),
    ("gpt2", "{}", "models--gpt2/snapshots/0123", false), ("gpt2", "{}", "models--gpt3/snapshots/0123", true),
    ("o/a--b", "{}", "models--o--a--b/snapshots/0123", false),
  ])
  func anAdapterForAnotherBaseIsNamed(adapter: String, config: String, folder: String, isOther: Bool) throws {
    let scratch = try Scratch()
    let fields = "\"base_model_name_or_path\": \"\(adapter)\""
    let merge = try merge(fields: fields, config: config, folder: folder, scratch)
    let found = merge.plan.warnings.filter { $0.contains("the adapter was made for \"\(adapter)\", but the base is") }
    #expect(found.count == (isOther ? 1 : 0), "\(merge.plan.warnings)")
    #expect(merge.report.warnings == merge.plan.warnings)
  }

  @Test(arguments: [(2, false), (4, true)])
  func biasesWithAScalingAreNamed(alpha: Int, isNamed: Bool) throws {
    let scratch = try Scratch()
    let fields = "\"lora_bias\": true, \"alpha_pattern\": {\"a.proj\": \(alpha)}"
    let warnings = try merge(fields: fields, scratch).plan.warnings
    let expected = "results merged with PEFT 0.14.0 to 0.15.1 have wrong biases"
    #expect(warnings.map { $0.hasSuffix(expected) } == (isNamed ? [true] : []))
  }

  @Test(arguments: [
    (0.0, "0"), (1, "1.00"), (9.996, "10.0"), (12.34, "12.3"), (123.4, "123"), (1234.4, "1230"), (0.5, "0.500"),
    (0.01234, "0.0123"), (0.9999, "1.00"), (0.00012345, "0.000123"), (0.00001, "1.00e-05"), (1.26e-7, "1.26e-07"),
    (-2.5, "-2.50"), (3e12, "3.00e+12"), (.infinity, "inf"),
  ])
  func numbersHaveThreeDigits(value: Double, text: String) { #expect(ReportNumbers.significant(value) == text) }

  /// Every key that docs/report.md has, in its order.
  @Test func keysOfTheText() throws {
    let scratch = try Scratch()
    let merge = try merge(zero: ["b.proj.lora_B.weight"], fields: "\"lora_bias\": true", scratch)
    let text = merge.report.json
    #expect(text.last == UInt8(ascii: "\n"))
    let json = try JSONParser.parse(text.span)
    func keys(_ value: JSONValue?) -> [String] {
      if case .object(let members)? = value { members.map(\.key) } else { [] }
    }
    func first(_ value: JSONValue?) -> JSONValue? {
      if case .array(let elements)? = value { elements.first } else { nil }
    }
    #expect(
      keys(json) == [
        "schema", "program", "base", "adapters", "output", "options", "result", "modules", "tensors", "totals",
        "warnings", "advice",
      ])
    let numbers = [
      "elements", "changed_elements", "changed_share", "delta_norm", "base_norm", "delta_to_base", "rounding_loss",
    ]
    #expect(json["schema"] == .integer(1))
    #expect(keys(first(json["adapters"])) == ["path", "weight"])
    #expect(keys(first(json["modules"])) == ["name", "adapter", "rank", "alpha", "scaling", "targets"])
    #expect(keys(first(json["tensors"])) == ["name", "shape", "modules", "base_dtype", "dtype"] + numbers)
    #expect(keys(json["result"]) == ["merged", "replaced", "converted", "copied", "files"])
    #expect(keys(json["result"]?["merged"]) == ["tensors", "bytes"])
    #expect(keys(first(json["result"]?["files"])) == ["name", "bytes", "sha256"])
    #expect(keys(json["totals"]) == ["tensors"] + numbers)
    #expect(first(json["tensors"])?["modules"] == .array([.integer(0)]))
    #expect(first(json["modules"])?["targets"] == .array([.string("a.proj.weight"), .string("a.proj.bias")]))
    #expect(json["totals"]?["elements"] == .integer(40))
  }
}
