import Checkpoints
import Foundation
import JSONText
import MergePlanning
import Platform
import Safetensors
import TestSupport
import Testing
import TileKernels

@testable import MergeEngine

/// FP8 weights that are merged and written in FP8 again.
@Suite struct RequantizingTests {
  static let cases = [
    "block", "compressed-channel", "compressed-tensor", "experts", "lost", "nf4", "nf4-nested", "rows", "small-block",
    "tensor", "ue8m0",
  ]

  static func folder(_ name: String) -> String { fixturesPath() + "/written-back/\(name)" }

  private static var options: MergeOptions {
    var options = MergeOptions()
    options.requantizes = true
    return options
  }

  private func merge(_ base: String, _ adapter: String, to output: String) throws -> TestMerge {
    try TestMerge(base: base, adapters: [(adapter, 1)], output: output, options: Self.options)
  }

  /// Codes and scales are those that the format's reference implementation makes of the merged weight, whatever the
  /// instruction set, the threads and the tiles; all else is the base's.
  @Test(arguments: cases) func isTheReferences(name: String) throws {
    let scratch = try Scratch()
    let (base, adapter) = (Self.folder(name) + "/base", Self.folder(name) + "/adapter")
    let expected = try loadTensors(Self.folder(name) + "/merged.safetensors")
    var number = 0
    for kernels in KernelSet.available {
      for (workers, tileSize) in [(1, TileSize.standard)] + TileSize.all.map({ (3, $0) }) {
        number += 1
        let output = scratch.file("merged\(number)")
        let merge = try merge(base, adapter, to: output)
        var options = MergeEngine.Options(workers: workers, kernels: kernels)
        options.tileSize = tileSize
        try MergeEngine(merge.plan, options: options).run(to: merge.place, sideFiles: merge.sideFiles)
        let found = try loadTensors(output)
        #expect(Set(found.keys) == Set(expected.keys))
        for (key, wanted) in expected {
          let tensor = try #require(found[key])
          #expect(tensor.info.dtype == wanted.info.dtype)
          #expect(tensor.info.shape == wanted.info.shape)
          #expect(isSame(tensor.data, wanted.data), "\(key) by \(kernels.name) in tiles of \(tileSize)")
        }
        // Nothing changes in what says how the weights are to be read.
        #expect(try contents(output + "/config.json") == (try contents(base + "/config.json")))
      }
    }
  }

  /// What the merge says of its errors, against the generator's numbers.
  @Test(arguments: cases) func measuresTheError(name: String) throws {
    let scratch = try Scratch()
    let merge = try merge(Self.folder(name) + "/base", Self.folder(name) + "/adapter", to: scratch.file("merged"))
    let outcome = try merge.run()
    let text = try contents(Self.folder(name) + "/numbers.json")
    guard case .object(let members) = try JSONParser.parse(text.span) else { return #expect(Bool(false)) }
    #expect(outcome.requantized.map { $0.name?.string } == members.map(\.key))
    for (tensor, member) in zip(outcome.requantized, members) {
      guard case .real(let error)? = member.value["error"] else { return #expect(Bool(false)) }
      let loss = try #require(tensor.loss)
      #expect(abs(loss / error - 1) < 1e-5)
      #expect(tensor.codes.map { .integer(Int64($0.changedCount)) } == member.value["changed_codes"])
      #expect(tensor.codes.map { .integer(Int64($0.halfStepCount)) } == member.value["half_steps"])
    }
    let warnings = outcome.requantizingWarnings(merge.plan)
    // Of 4 bits a step is so large.
    if name.hasPrefix("nf4") {
      return #expect(warnings.map { $0.contains("the rounding error is more than half of the delta") } == [true])
    }
    guard name == "lost" else { return #expect(warnings == []) }
    #expect(warnings.count == 1)
    #expect(warnings.first?.hasPrefix("1 of 1 requantized weights lose their whole delta") == true)
    #expect(warnings.first?.contains("model.layers.0.proj.weight") == true)
    #expect(outcome.requantized.map(\.changeVanishes) == [true])
  }

  /// Where some of the change is left, but most is lost.
  @Test func warnsOfErrorsThatAreMostOfTheChange() throws {
    let scratch = try Scratch()
    let adapter = try scratch.folder("adapter")
    let own = Self.folder("small-block") + "/adapter"
    try write(try contents(own + "/adapter_model.safetensors"), to: adapter + "/adapter_model.safetensors")
    let config = String(decoding: try contents(own + "/adapter_config.json"), as: UTF8.self)
    try write(
      Array(config.replacingOccurrences(of: "\"lora_alpha\": 4", with: "\"lora_alpha\": 0.4").utf8),
      to: adapter + "/adapter_config.json")
    let merge = try merge(Self.folder("small-block") + "/base", adapter, to: scratch.file("merged"))
    let outcome = try merge.run()
    #expect(outcome.requantized.first?.changeVanishes == false)
    let warnings = outcome.requantizingWarnings(merge.plan)
    #expect(warnings.count == 1)
    #expect(
      warnings.first?.hasPrefix(
        "in 1 of 1 requantized weights the rounding error is more than half of the delta") == true)
  }

  /// Every code, scales that are zero, subnormal and too large, by the formulas in doubles.
  @Test(arguments: ["fp8-block", "fp8-small-block", "fp8-tensor", "fp8-e8m0", "mxfp8", "fbgemm", "compressed-channel"])
  func hostileBasesToo(name: String) throws {
    let scratch = try Scratch()
    let fixture = QuantizedFixture(name)
    let adapter = try fixture.adapter(scratch.file("adapter"), layers: 0..<1)
    let plain = try PlainRequantization(fixture, adapter: adapter)
    guard plain.isE4M3 else {
      let error = refusal { _ = try merge(fixture.base, adapter, to: scratch.file("refused")) }
      return #expect(error?.message.contains("F8_E5M2") == true)
    }
    try merge(fixture.base, adapter, to: scratch.file("merged")).run(nonFinite: .warn)
    let found = try loadTensors(scratch.file("merged"))
    let codes = try #require(found[TensorName(plain.weight)]).data
    let scales = try #require(found[TensorName(plain.scaleName)]).data
    #expect(isSame(scales, plain.scaleBytes[...]))
    #expect(isSame(codes, plain.codes[...]))
  }

  private static let otherFormats = [
    "awq": "awq, 4 bits", "compressed-int8": "compressed-tensors with codes of I8", "fp4-nested": "bitsandbytes, fp4",
    "gptq": "gptq, 4 bits", "int8": "bitsandbytes, 8 bits", "mxfp4": "mxfp4",
    "nvfp4": "compressed-tensors, FP4", "packed-group": "compressed-tensors, integers of 4 bits",
    "modelopt-nvfp4": "modelopt", "mlx": "mlx", "fp8-plain": "fp8 without scales",
  ]

  @Test(arguments: otherFormats.keys.sorted()) func otherFormatsAreRefused(name: String) throws {
    let scratch = try Scratch()
    let fixture = QuantizedFixture(name)
    let adapter = try fixture.adapter(scratch.file("adapter"), layers: 0..<1)
    let error = refusal { _ = try merge(fixture.base, adapter, to: scratch.file("merged")) }
    #expect(error?.errorClass == "unsupported")
    #expect(error?.category == .refusedInput)
    #expect(error?.tensor == fixture.weights[0])
    #expect(error?.message == "--requantize is not supported for \(Self.otherFormats[name] ?? "")")
  }

  @Test func aBaseOfNumbersIsRefused() throws {
    let scratch = try Scratch()
    let error = refusal {
      _ = try merge(
        fixturesPath() + "/bases/llama-bf16", fixturesPath() + "/lora/linear/bf16/adapter", to: scratch.file("merged"))
    }
    #expect(error?.message == "--requantize is not supported for a base that is not quantized")
  }

  /// Codes of scales are made for bitsandbytes' own numbers alone, and there is none for what is not finite.
  @Test(arguments: ["nested_quant_map", "nested_absmax"]) func otherStatisticsAreRefused(part: String) throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    let file = try LoadedFile(Self.folder("nf4-nested") + "/base/model.safetensors")
    var bytes = file.bytes
    let tensor = try #require(file.info("model.layers.0.proj.weight.\(part)"))
    // The last byte of a number: the exponent becomes the largest, or another.
    let place = file.header.dataStart + tensor.dataOffsets.lowerBound
    bytes[place + 2] = 0x80
    bytes[place + 3] = 0x7F
    try write(bytes, to: base + "/model.safetensors")
    try write(try contents(Self.folder("nf4-nested") + "/base/config.json"), to: base + "/config.json")
    let output = scratch.file("merged")
    let error = refusal { try merge(base, Self.folder("nf4-nested") + "/adapter", to: output).run() }
    #expect(error?.errorClass == "quantized")
    #expect(error?.message.contains(part == "nested_absmax" ? "not finite" : "quant_map") == true)
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  /// A scale that its dtype cannot hold is an error, and leaves nothing.
  @Test func aScaleThatDoesNotFitIsRefused() throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    try writeFile(
      base + "/model.safetensors",
      [
        TestTensor("m.proj.weight", .f8E4M3, [2, 4], bytes: [UInt8](repeating: 0x7E, count: 8)),
        TestTensor("m.proj.weight_scale", .f16, [2, 1], bytes: [0xFF, 0x7B, 0xFF, 0x7B]),
      ])
    let config = "{\"quantization_config\": {\"quant_method\": \"fbgemm_fp8\"}}"
    try write(Array(config.utf8), to: base + "/config.json")
    let large = [Float](repeating: 1e6, count: 8).flatMap { value in
      withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    }
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestTensor("m.proj.lora_A.weight", .f32, [1, 4], bytes: Array(large[..<16])),
        TestTensor("m.proj.lora_B.weight", .f32, [2, 1], bytes: Array(large[..<8])),
      ])
    let output = scratch.file("merged")
    let error = refusal { try merge(base, adapter, to: output).run() }
    #expect((error as? MergeError)?.problem == .scaleOverflow(.f16))
    #expect(error?.tensor == "m.proj.weight" || error?.tensor == "m.proj.weight_scale")
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  /// What a merge states that it holds grows with the bands that it has to hold whole, and a limit is kept or refused.
  @Test func memoryHasWholeBands() throws {
    let scratch = try Scratch()
    let plan = try merge(
      Self.folder("block") + "/base", Self.folder("block") + "/adapter", to: scratch.file("merged")
    ).plan
    let smallest = try #require(TileSize.all.last)
    let need = MemoryNeed(plan, workers: 1, tileSize: smallest, collectsStatistics: false)
    // 128 rows of 144 elements: weight, delta, sum, code, number.
    #expect(need.tiles >= 128 * 144 * (4 + 4 + 4 + 1 + 4))
  }

  /// Codes in one file and scales in another; and files of other sizes.
  @Test func scalesInAnotherFile() throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    let whole = try LoadedFile(Self.folder("small-block") + "/base/model.safetensors")
    func tensors(_ include: (String) -> Bool) -> [TestTensor] {
      whole.header.tensors.filter { include($0.name.string) }.map {
        TestTensor($0.name.string, $0.dtype, $0.shape, bytes: Array(whole.data($0)))
      }
    }
    let shards = [
      ("model-1.safetensors", tensors { !$0.hasSuffix("_scale_inv") }),
      ("model-2.safetensors", tensors { $0.hasSuffix("_scale_inv") }),
    ]
    for (name, tensors) in shards { try writeFile(base + "/" + name, tensors) }
    try writeIndex(base, shards)
    try write(try contents(Self.folder("small-block") + "/base/config.json"), to: base + "/config.json")
    let expected = try loadTensors(Self.folder("small-block") + "/merged.safetensors")
    for sizes in [ShardingPolicy.asBase, .atMost(8_000), .single] {
      let output = scratch.file("merged-\(sizes)")
      var options = Self.options
      options.fileSizes = sizes
      try TestMerge(
        base: base, adapters: [(Self.folder("small-block") + "/adapter", 1)], output: output, options: options
      ).run()
      let found = try loadTensors(output)
      #expect(Set(found.keys) == Set(expected.keys))
      for (key, wanted) in expected {
        let tensor = try #require(found[key])
        #expect(isSame(tensor.data, wanted.data), "\(key)")
      }
    }
  }
}
