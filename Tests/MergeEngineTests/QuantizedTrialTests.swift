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

/// Bases in `Fixtures/trials` that were rebuilt from public reports, with what the format's own package decodes.
@Suite struct QuantizedTrialTests {
  private static func path(_ name: String) -> String { fixturesPath() + "/trials/" + name }

  private static let decoded = [
    "compressed-tensors/fp8naive", "compressed-tensors/fp8two", "compressed-tensors/mixed",
    "compressed-tensors/twogroups", "compressed-tensors/w8a16c", "compressed-tensors/w8a8asym", "fp8/autofp8",
    "fp8/dsv4", "fp8/modelopt_fp8", "fp8/modelopt_nvfp4", "fp8/modelopt_side", "fp8/plain_fp8", "fp8/quark",
    "mlx/mlx4", "mlx/mlx_mxfp4",
  ]

  /// The merge is that of the decoded numbers, to the byte.
  @Test(arguments: decoded) func mergesAsItsNumbers(name: String) throws {
    let scratch = try Scratch()
    let adapter = Self.path(String(name.prefix { $0 != "/" })) + "/ad"
    let numbers = try scratch.folder("numbers")
    try write(try contents(Self.path(name) + "-dequantized.safetensors"), to: numbers + "/model.safetensors")
    try write(Array("{}".utf8), to: numbers + "/config.json")
    try TestMerge(base: numbers, adapter: adapter, output: scratch.file("reference")).run()
    try TestMerge(base: Self.path(name), adapter: adapter, output: scratch.file("merged")).run()
    let expected = try loadTensors(scratch.file("reference"))
    let found = try loadTensors(scratch.file("merged"))
    for module in ["self_attn.k_proj", "mlp.down_proj"] {
      let weight = TensorName("model.layers.0.\(module).weight")
      let (one, other) = (try #require(found[weight]), try #require(expected[weight]))
      #expect(one.info.dtype == other.info.dtype)
      #expect(isSame(one.data, other.data), "\(weight)")
      #expect(!found.keys.contains { $0.string.hasPrefix("model.layers.0.\(module).") && $0 != weight })
    }
    let config = String(decoding: try contents(scratch.file("merged") + "/config.json"), as: UTF8.self)
    // MLX's head and embedding are quantized too, and stay so.
    #expect(config.contains("\"quantization") == name.hasPrefix("mlx/"))
    #expect(!FileManager.default.fileExists(atPath: scratch.file("merged") + "/hf_quant_config.json"))
  }

  /// What the words of GPTQ and AWQ say, computed here from the definition: `(code - 8) * scale`.
  @Test(arguments: [
    ("auto-round/o-auto_gptq/src-w4g32", false), ("auto-round/o-auto_round/src-w4g32", false),
    ("auto-round/o-auto_awq/src-w4g32", true), ("auto-round/o-auto_round_auto_awq/src-w4g32", true),
    ("gptq-old/base", false), ("gptq-old/bias", false),
  ])
  func wordsAreDecoded(name: String, isAWQ: Bool) throws {
    let scratch = try Scratch()
    let adapter = Self.path(name.hasPrefix("auto") ? "auto-round" : "gptq-contradiction") + "/ad"
    let merge = try TestMerge(base: Self.path(name), adapter: adapter, output: scratch.file("merged"))
    let base = try loadTensors(Self.path(name))
    let plan = merge.plan
    #expect(plan.quantization?.decoded == 2)
    let module = "model.layers.0.self_attn.k_proj"
    let tensor = try #require(plan.shards[0].tensors.first { $0.name.string == module + ".weight" }?.computed)
    let update = tensor.update
    let words = try #require(base[TensorName(module + ".qweight")]).data
    let scales = try #require(base[TensorName(module + ".scales")]).data
    let (rows, columns) = (update.rows, update.columns)
    let places = isAWQ ? [0, 4, 1, 5, 2, 6, 3, 7] : Array(0..<8)
    var expected: [UInt8] = []
    for row in 0..<rows {
      for column in 0..<columns {
        let (word, place) =
          isAWQ ? (column * rows / 8 + row / 8, places[row % 8]) : (column / 8 * rows + row, column % 8)
        let byte = words[words.startIndex + word * 4 + place / 2]
        let code = Int(place % 2 == 0 ? byte & 15 : byte >> 4)
        let at = scales.startIndex + (column / 32 * rows + row) * 2
        let scale = Float16(bitPattern: UInt16(scales[at]) | UInt16(scales[at + 1]) << 8)
        let value = Float16(Float(code - 8) * Float(scale)).bitPattern
        expected += [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)]
      }
    }
    var reader = WeightReader()
    var buffer: [UInt8] = []
    let count = try reader.read(
      tensor, rows: 0..<rows, InputFiles(plan), KernelSet.best, into: &buffer)
    #expect(Array(buffer[..<count]) == expected)
    try merge.run()
    let files = try FileManager.default.contentsOfDirectory(atPath: scratch.file("merged"))
    #expect(!files.contains("quantize_config.json") && !files.contains("quantization_config.json"))
  }

  /// Files that contradict themselves, and layouts that are known and not decoded.
  @Test(arguments: [
    ("gptq-contradiction/base", "gptq-contradiction/ad", "quantized", "zero point of 9"),
    ("int8-format/base", "int8-format/ad", "quantized", "weight_format is 7"),
    ("fp8/sparse24", "fp8/ad", "unsupported", "sparsity_config"),
    ("bitsandbytes-and-quanto/quanto_own", "bitsandbytes-and-quanto/ad", "unsupported", "quanto"),
  ])
  func isRefused(base: String, adapter: String, errorClass: String, what: String) throws {
    let scratch = try Scratch()
    let output = scratch.file(base.hasSuffix(".safetensors") ? "merged.safetensors" : "merged")
    let error = refusal { try TestMerge(base: Self.path(base), adapter: Self.path(adapter), output: output).run() }
    #expect(error?.errorClass == errorClass)
    #expect(error?.category == .refusedInput)
    #expect(error?.message.contains(what) == true, "\(error?.message ?? "")")
    #expect(!FileManager.default.fileExists(atPath: output))
  }

  /// The head has 16 bits in every base: the codes are copied.
  @Test(arguments: [
    "fp8/autofp8", "fp8/dsv4", "fp8/modelopt_fp8", "fp8/modelopt_nvfp4", "fp8/modelopt_side", "fp8/plain_fp8",
    "fp8/quark", "fp8/sparse24", "fp8/comfy_scaled.safetensors", "fp8/comfy_quant.safetensors",
    "bitsandbytes-and-quanto/quanto_own", "gptq-contradiction/base", "int8-format/base",
  ])
  func onlyTheHeadIsTouched(name: String) throws {
    let scratch = try Scratch()
    let output = scratch.file(name.hasSuffix(".safetensors") ? "merged.safetensors" : "merged")
    try TestMerge(base: Self.path(name), adapter: Self.path("fp8/ad_head"), output: output).run()
    let (before, after) = (try loadTensors(Self.path(name)), try loadTensors(output))
    #expect(Set(before.keys) == Set(after.keys))
    for (key, tensor) in after {
      let isSameData = isSame(tensor.data, try #require(before[key]).data)
      #expect(isSameData == (key != "lm_head.weight"), "\(key)")
    }
    guard !name.hasSuffix(".safetensors") else { return }
    #expect(try contents(output + "/config.json") == contents(Self.path(name) + "/config.json"))
  }
}
