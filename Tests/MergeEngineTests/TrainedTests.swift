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

/// Merges into what NF4 left of a base in training.
@Suite struct TrainedTests {
  private static let cases: [(name: String, block: Int, isNested: Bool)] = [
    ("plain", 64, false), ("double", 64, true), ("large-block", 256, false), ("small-block-double", 32, true),
  ]

  private static func folder(_ name: String) -> String { fixturesPath() + "/qlora/\(name)" }

  private func merge(_ number: Int, to output: String) throws -> TestMerge {
    let (name, block, isNested) = Self.cases[number]
    var options = MergeOptions()
    options.qlora = QLoRAQuantization(block: block, isNested: isNested)
    return try TestMerge(
      base: Self.folder(name) + "/base", adapters: [(Self.folder(name) + "/adapter", 1)], output: output,
      options: options)
  }

  /// What bitsandbytes leaves of each linear weight, and the delta on it, whatever the instruction set, the threads and the
  /// tiles.
  @Test(arguments: cases.indices) func isBitsandbytes(number: Int) throws {
    let scratch = try Scratch()
    let expected = try loadTensors(Self.folder(Self.cases[number].name) + "/merged.safetensors")
    for kernels in KernelSet.available {
      for (place, tileSize) in TileSize.all.enumerated() {
        let output = scratch.file("\(kernels.name)-\(place)")
        let merge = try merge(number, to: output)
        var options = MergeEngine.Options(workers: 3, kernels: kernels)
        options.tileSize = tileSize
        try MergeEngine(merge.plan, options: options).run(to: merge.place, sideFiles: merge.sideFiles)
        let found = try loadTensors(output)
        #expect(Set(found.keys) == Set(expected.keys))
        for (key, wanted) in expected {
          let tensor = try #require(found[key])
          #expect(tensor.info.dtype == wanted.info.dtype)
          #expect(isSame(tensor.data, wanted.data), "\(key) by \(kernels.name) in tiles of \(tileSize)")
        }
      }
    }
  }

  @Test(arguments: cases.indices) func measuresWhatQuantizingChanged(number: Int) throws {
    let scratch = try Scratch()
    let merge = try merge(number, to: scratch.file("merged"))
    let training = try #require(merge.plan.training)
    #expect(training.merged == 2)
    #expect(training.others == 3)
    #expect(training.left.map(\.string).sorted() == (0..<2).map { "model.layers.\($0).mlp.gate.weight" })
    let outcome = try merge.run()
    let text = try contents(Self.folder(Self.cases[number].name) + "/numbers.json")
    let json = try JSONParser.parse(text.span)
    let measured = outcome.statistics.filter { $0.trainingSquares != nil }
    #expect(measured.count == 2)
    for tensor in measured {
      guard case .real(let expected)? = json[tensor.name?.string ?? ""] else {
        Issue.record("\(String(describing: tensor.name))")
        continue
      }
      let ratio = try #require(tensor.trainingRatio)
      #expect(abs(ratio / expected - 1) < 1e-5)
    }
  }

  /// The table is that of a file which bitsandbytes wrote.
  @Test func theMapOfScalesIsTheirs() throws {
    let file = try LoadedFile(QuantizedFixture("nf4-nested").base + "/model.safetensors")
    let name = try #require(file.names.first { $0.hasSuffix(".nested_quant_map") })
    #expect(file.elements(name) == DynamicCodebook.numbers.map(\.bitPattern))
  }

  /// DoRA's norms are those of the weight as it was in training.
  @Test func normsAreOfWhatWasTrained() throws {
    let scratch = try Scratch()
    let own = Self.folder("plain")
    let adapter = try scratch.folder("adapter")
    let file = try LoadedFile(own + "/adapter/adapter_model.safetensors")
    let base = try loadTensors(own + "/base")
    var tensors = file.header.tensors.map {
      TestTensor($0.name.string, $0.dtype, $0.shape, bytes: Array(file.data($0)))
    }
    for module in ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.down_proj"] {
      let rows = try #require(base[TensorName(module + ".weight")]).info.shape[0]
      let ones = [Float](repeating: 1, count: rows).flatMap { value in
        withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
      }
      tensors.append(
        TestTensor("base_model.model.\(module).lora_magnitude_vector", .f32, [rows], bytes: ones))
    }
    try writeFile(adapter + "/adapter_model.safetensors", tensors)
    let config = String(decoding: try contents(own + "/adapter/adapter_config.json"), as: UTF8.self)
    try write(
      Array(config.replacingOccurrences(of: "\"r\": 2", with: "\"r\": 2, \"use_dora\": true").utf8),
      to: adapter + "/adapter_config.json")
    // The same in two steps: a base that is what NF4 left of it.
    let trained = try scratch.folder("trained")
    let left = try loadTensors(own + "/merged.safetensors")
    let quantized = try scratch.folder("zero")
    let zeros = file.header.tensors.map {
      TestTensor($0.name.string, $0.dtype, $0.shape, bytes: [UInt8](repeating: 0, count: $0.byteCount))
    }
    try writeFile(quantized + "/adapter_model.safetensors", zeros)
    try write(Array(config.utf8), to: quantized + "/adapter_config.json")
    var options = MergeOptions()
    options.qlora = QLoRAQuantization()
    let step = try TestMerge(
      base: own + "/base", adapters: [(quantized, 1)], output: trained + "/base", options: options)
    try step.run()
    for (key, tensor) in try loadTensors(trained + "/base") where key.string.hasSuffix("o_proj.weight") {
      #expect(isSame(tensor.data, try #require(left[key]).data))
    }
    try TestMerge(base: trained + "/base", adapter: adapter, output: scratch.file("two")).run()
    try TestMerge(
      base: own + "/base", adapters: [(adapter, 1)], output: scratch.file("one"), options: options
    ).run()
    let (one, two) = (try loadTensors(scratch.file("one")), try loadTensors(scratch.file("two")))
    for (key, tensor) in one {
      let other = try #require(two[key])
      #expect(isSame(tensor.data, other.data), "\(key)")
    }
  }

  @Test func weightsThatTrainingDidNotQuantizeAreRefused() throws {
    let scratch = try Scratch()
    var options = MergeOptions()
    options.qlora = QLoRAQuantization()
    func refused(_ base: String, _ adapter: String) -> (any ReportableError)? {
      refusal {
        _ = try TestMerge(base: base, adapters: [(adapter, 1)], output: scratch.file("merged"), options: options)
      }
    }
    let fixture = QuantizedFixture("fp8-block")
    let codes = refused(fixture.base, try fixture.adapter(scratch.file("adapter"), layers: 0..<1))
    #expect(codes?.message == "--qlora is not supported for a base that is quantized (fp8)")
    #expect(codes?.errorClass == "unsupported")
    let transposed = refused(
      fixturesPath() + "/bases/tiny-gpt2-bf16", fixturesPath() + "/lora/gpt2/bf16/adapter")
    #expect(transposed?.message == "--qlora is not supported for a weight that is stored transposed")
  }
}
