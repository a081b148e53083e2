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

/// Bases with quantized weights, and what the reference implementations decode them to.
@Suite struct QuantizedFixtureTests {
  /// The same model as numbers, which needs nothing to be decoded.
  private static func numbers(_ fixture: QuantizedFixture, _ scratch: Scratch) throws -> String {
    let folder = try scratch.folder("numbers")
    try write(
      try contents(fixture.decoded), to: folder + "/model.safetensors")
    try write(Array((fixture.hasExperts ? "{\"model_type\": \"gpt_oss\"}" : "{}").utf8), to: folder + "/config.json")
    return folder
  }

  @Test(arguments: QuantizedFixture.all) func decodesAsTheReference(fixture: QuantizedFixture) throws {
    let scratch = try Scratch()
    let plan = try TestMerge(
      base: fixture.base, adapter: fixture.adapter(scratch.file("adapter"), layers: 0..<2), output: scratch.file("out")
    ).plan
    let expected = try LoadedFile(fixture.decoded)
    #expect(plan.quantization?.decoded == fixture.weights.count)
    var seen: [String] = []
    for tensor in plan.updatedTensors {
      guard case .codes = tensor.weight else { continue }
      let update = tensor.update
      let info = try #require(expected.info(tensor.name.string))
      #expect(info.shape == tensor.shape)
      #expect(info.dtype == tensor.weight.dtype)
      let wanted = expected.data(info)
      let rowByteCount = update.columns * tensor.weight.dtype.bitCount / 8
      for kernels in KernelSet.available {
        for rowsAtOnce in [update.rows, 7, 1] {
          var reader = WeightReader()
          let inputs = InputFiles(plan)
          var buffer: [UInt8] = []
          for first in stride(from: 0, to: update.rows, by: rowsAtOnce) {
            let rows = first..<min(first + rowsAtOnce, update.rows)
            let count = try reader.read(tensor, rows: rows, inputs, kernels, into: &buffer)
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
    #expect(seen.sorted() == fixture.weights.sorted())
  }

  /// The merge is that of the decoded model, to the byte, and what no adapter changes stays codes.
  @Test(arguments: QuantizedFixture.all) func mergesAsItsNumbers(fixture: QuantizedFixture) throws {
    let scratch = try Scratch()
    let adapter = try fixture.adapter(scratch.file("adapter"), layers: 0..<1)
    let merge = try TestMerge(base: fixture.base, adapter: adapter, output: scratch.file("merged"))
    // Hostile scales give hostile weights.
    try merge.run(nonFinite: .warn)
    let reference = try TestMerge(
      base: Self.numbers(fixture, scratch), adapter: adapter, output: scratch.file("reference"))
    try reference.run(nonFinite: .warn)
    let found = try loadTensors(scratch.file("merged"))
    let expected = try loadTensors(scratch.file("reference"))
    let base = try loadTensors(fixture.base)
    for weight in fixture.weights where fixture.decodesAll || weight.hasPrefix("model.layers.0.") {
      let tensor = try #require(found[TensorName(weight)])
      let wanted = try #require(expected[TensorName(weight)])
      #expect(tensor.info.dtype == wanted.info.dtype)
      #expect(tensor.info.shape == wanted.info.shape)
      #expect(isSame(tensor.data, wanted.data), "\(weight)")
    }
    let config = String(decoding: try contents(scratch.file("merged") + "/config.json"), as: UTF8.self)
    guard !fixture.decodesAll else {
      #expect(Set(found.keys) == Set(expected.keys))
      #expect(!config.contains("quantization_config"))
      return
    }
    let others = base.keys.filter { !$0.string.hasPrefix("model.layers.0.") || $0.string.hasSuffix("_bias") }
    for key in others {
      let tensor = try #require(found[key], "\(key)")
      #expect(tensor.info.dtype == base[key]?.info.dtype)
      #expect(isSame(tensor.data, try #require(base[key]).data), "\(key)")
    }
    #expect(found.count == others.count + fixture.weights.count / 2)
    if fixture.hasNoList {
      #expect(config == String(decoding: try contents(fixture.base + "/config.json"), as: UTF8.self))
      return
    }
    #expect(config.contains(fixture.hasExperts ? "\"model.layers.0.mlp.experts\"" : "\"model.layers.0.proj\""))
    #expect(config.contains("\"lm_head\""))
  }

  @Test(arguments: ["fp8-block", "nf4-nested", "mxfp4"]) func nothingQuantizedIsLeft(name: String) throws {
    let fixture = QuantizedFixture(name)
    let scratch = try Scratch()
    let adapter = try fixture.adapter(scratch.file("adapter"), layers: 0..<2)
    try TestMerge(base: fixture.base, adapter: adapter, output: scratch.file("merged")).run(nonFinite: .warn)
    let found = try loadTensors(scratch.file("merged"))
    #expect(Set(found.keys) == Set(try LoadedFile(fixture.decoded).header.tensors.map(\.name)))
    let config = String(decoding: try contents(scratch.file("merged") + "/config.json"), as: UTF8.self)
    #expect(!config.contains("quantization_config"))
  }

  /// A file that says other numbers for its codes is not one that the format decodes.
  @Test func anotherMapIsRefused() throws {
    let fixture = QuantizedFixture("nf4")
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    let file = try LoadedFile(fixture.base + "/model.safetensors")
    var bytes = file.bytes
    let map = try #require(file.info("model.layers.0.proj.weight.quant_map"))
    bytes[file.header.dataStart + map.dataOffsets.lowerBound + 5] ^= 1
    try write(bytes, to: base + "/model.safetensors")
    try write(try contents(fixture.base + "/config.json"), to: base + "/config.json")
    let adapter = try fixture.adapter(scratch.file("adapter"), layers: 0..<1)
    let merge = try TestMerge(base: base, adapter: adapter, output: scratch.file("merged"))
    let error = refusal { try merge.run() }
    #expect(error?.errorClass == "quantized")
    #expect(error?.tensor == "model.layers.0.proj.weight")
    #expect(!FileManager.default.fileExists(atPath: scratch.file("merged")))
  }
}
