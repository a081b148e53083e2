import Adapters
import Checkpoints
import Foundation
import MergePlanning
import Safetensors
import TestSupport
import Testing
import TileKernels

@testable import MergeEngine

/// Bases with quantised weights, and what the reference implementations decode them to.
@Suite struct QuantisedFixtureTests {
  static let names = [
    "compressed-channel", "compressed-tensor", "fbgemm", "fp4-nested", "fp8-block", "fp8-e8m0", "fp8-small-block",
    "fp8-tensor", "int8", "mxfp4", "mxfp8", "nf4", "nf4-large-block", "nf4-nested",
  ]

  private static func base(_ name: String) -> String { fixturesPath() + "/quantised/\(name)/base" }

  private static func decoded(_ name: String) throws -> LoadedFile {
    try LoadedFile(fixturesPath() + "/quantised/\(name)/decoded.safetensors")
  }

  /// Names of the weights that are codes in the base.
  private static func weights(_ name: String) -> [String] {
    name == "mxfp4"
      ? (0..<2).flatMap { layer in
        ["gate_up_proj", "down_proj"].map { "model.layers.\(layer).mlp.experts.\($0)" }
      } : (0..<2).map { "model.layers.\($0).proj.weight" }
  }

  /// An adapter for the weights of some layers.
  private static func adapter(
    _ name: String, layers: Range<Int>, scratch: Scratch, scale: Float = 0.01
  ) throws -> String {
    let file = try decoded(name)
    var random = SeededGenerator(seed: 7)
    var tensors: [TestTensor] = []
    func factor(_ key: String, _ shape: [Int]) {
      let numbers = random.numbers(shape.reduce(1, *)).map { $0 * scale }
      tensors.append(TestTensor(key, .f32, shape, bits: numbers.map(\.bitPattern)))
    }
    for layer in layers {
      if name == "mxfp4" {
        let module = "model.layers.\(layer).mlp.experts"
        let shape = try #require(file.info(module + ".gate_up_proj")).shape
        factor("\(module).lora_A.weight", [2 * shape[0], shape[1]])
        factor("\(module).lora_B.weight", [shape[2], 2 * shape[0]])
      } else {
        let module = "model.layers.\(layer).proj"
        let shape = try #require(file.info(module + ".weight")).shape
        factor("\(module).lora_A.weight", [2, shape[1]])
        factor("\(module).lora_B.weight", [shape[0], 2])
      }
    }
    let fields =
      "\"peft_version\": \"0.21.2\""
      + (name == "mxfp4" ? ", \"target_parameters\": [\"mlp.experts.gate_up_proj\"]" : "")
    return try writeAdapter(scratch.file("adapter"), rank: 2, alpha: "2", tensors, fields: fields)
  }

  /// The same model as numbers, which needs nothing to be decoded.
  private static func numbers(_ name: String, _ scratch: Scratch) throws -> String {
    let folder = try scratch.folder("numbers")
    try write(
      try contents(fixturesPath() + "/quantised/\(name)/decoded.safetensors"), to: folder + "/model.safetensors")
    try write(Array((name == "mxfp4" ? "{\"model_type\": \"gpt_oss\"}" : "{}").utf8), to: folder + "/config.json")
    return folder
  }

  @Test(arguments: names) func decodesAsTheReference(name: String) throws {
    let scratch = try Scratch()
    let plan = try TestMerge(
      base: Self.base(name), adapter: Self.adapter(name, layers: 0..<2, scratch: scratch), output: scratch.file("out")
    ).plan
    let expected = try Self.decoded(name)
    #expect(plan.quantisation?.decoded == Self.weights(name).count)
    var seen: [String] = []
    for tensor in plan.shards.flatMap(\.tensors) where tensor.quantised != nil {
      let update = try #require(tensor.update)
      let info = try #require(expected.info(tensor.name.string))
      #expect(info.shape == tensor.shape)
      #expect(info.dtype == tensor.weightDType)
      let wanted = expected.data(info)
      let rowByteCount = update.columns * tensor.weightDType.bitCount / 8
      for kernels in KernelSet.available {
        for rowsAtOnce in [update.rows, 7, 1] {
          var reader = WeightReader()
          let inputs = InputFiles(plan)
          var buffer: [UInt8] = []
          for first in stride(from: 0, to: update.rows, by: rowsAtOnce) {
            let rows = first..<min(first + rowsAtOnce, update.rows)
            let count = try reader.read(tensor, update, rows: rows, inputs, kernels, into: &buffer)
            #expect(count == rows.count * rowByteCount)
            let start = wanted.startIndex + first * rowByteCount
            let isEqual = buffer[..<count].elementsEqual(wanted[start..<start + count])
            #expect(isEqual, "\(tensor.name) rows \(rows) of \(kernels.name)")
            if !isEqual { return }
          }
        }
      }
      seen.append(tensor.name.string)
    }
    #expect(seen.sorted() == Self.weights(name).sorted())
  }

  /// The merge is that of the decoded model, to the byte, and what no adapter changes stays codes.
  @Test(arguments: names) func mergesAsItsNumbers(name: String) throws {
    let scratch = try Scratch()
    let adapter = try Self.adapter(name, layers: 0..<1, scratch: scratch)
    let merge = try TestMerge(base: Self.base(name), adapter: adapter, output: scratch.file("merged"))
    // Hostile scales make hostile numbers.
    try merge.run(nonFinite: .warn)
    let reference = try TestMerge(
      base: Self.numbers(name, scratch), adapter: adapter, output: scratch.file("reference"))
    try reference.run(nonFinite: .warn)
    let found = try loadTensors(scratch.file("merged"))
    let expected = try loadTensors(scratch.file("reference"))
    let base = try loadTensors(Self.base(name))
    for weight in Self.weights(name) where weight.hasPrefix("model.layers.0.") {
      let tensor = try #require(found[TensorName(weight)])
      let wanted = try #require(expected[TensorName(weight)])
      #expect(tensor.info.dtype == wanted.info.dtype)
      #expect(tensor.info.shape == wanted.info.shape)
      #expect(isSame(tensor.data, wanted.data), "\(weight)")
    }
    let others = base.keys.filter { !$0.string.hasPrefix("model.layers.0.") || $0.string.hasSuffix("_bias") }
    for key in others {
      let tensor = try #require(found[key], "\(key)")
      #expect(tensor.info.dtype == base[key]?.info.dtype)
      #expect(isSame(tensor.data, try #require(base[key]).data), "\(key)")
    }
    #expect(found.count == others.count + Self.weights(name).count / 2)
    let config = String(decoding: try contents(scratch.file("merged") + "/config.json"), as: UTF8.self)
    #expect(config.contains(name == "mxfp4" ? "\"model.layers.0.mlp.experts\"" : "\"model.layers.0.proj\""))
    #expect(config.contains("\"lm_head\""))
  }

  @Test(arguments: ["fp8-block", "nf4-nested", "mxfp4"]) func nothingQuantisedIsLeft(name: String) throws {
    let scratch = try Scratch()
    let adapter = try Self.adapter(name, layers: 0..<2, scratch: scratch)
    try TestMerge(base: Self.base(name), adapter: adapter, output: scratch.file("merged")).run(nonFinite: .warn)
    let found = try loadTensors(scratch.file("merged"))
    #expect(Set(found.keys) == Set(try Self.decoded(name).header.tensors.map(\.name)))
    let config = String(decoding: try contents(scratch.file("merged") + "/config.json"), as: UTF8.self)
    #expect(!config.contains("quantization_config"))
  }

  /// A file that says other numbers for its codes is none that the format decodes.
  @Test func anotherMapIsRefused() throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    let file = try LoadedFile(Self.base("nf4") + "/model.safetensors")
    var bytes = file.bytes
    let map = try #require(file.info("model.layers.0.proj.weight.quant_map"))
    bytes[file.header.dataStart + map.dataOffsets.lowerBound + 5] ^= 1
    try write(bytes, to: base + "/model.safetensors")
    try write(try contents(Self.base("nf4") + "/config.json"), to: base + "/config.json")
    let adapter = try Self.adapter("nf4", layers: 0..<1, scratch: scratch)
    let merge = try TestMerge(base: base, adapter: adapter, output: scratch.file("merged"))
    let error = refusal { try merge.run() }
    #expect(error?.errorClass == "quantised")
    #expect(error?.tensor == "model.layers.0.proj.weight")
    #expect(!FileManager.default.fileExists(atPath: scratch.file("merged")))
  }
}
