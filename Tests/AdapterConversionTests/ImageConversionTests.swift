import AdapterConversion
import Adapters
import Checkpoints
import Foundation
import JSONText
import MergePlanning
import Merging
import Safetensors
import TestSupport
import Testing

/// Adapters of image and video models are converted between all dialects that hold them: there and back every tensor has its
/// bytes, and the converted adapter merges to the same weights.
@Suite struct ImageConversionTests {
  /// The cases, and the dialects that hold them.
  static let held: [(name: String, dialects: [AdapterDialect])] = [
    ("flux-peft-file", [.diffusers, .kohya, .comfyUI, .peft]),
    ("flux-kohya-folder", [.diffusers, .kohya, .comfyUI]),
    ("flux-dora-rows-fused-on-split", [.diffusers, .kohya, .comfyUI, .peft]),
    ("flux-dora-columns-fused-on-split", [.kohya, .comfyUI]),
    ("flux-lokr-fused-on-split", [.kohya, .comfyUI]),
    // Parts of one fused module have scalings of their own.
    ("flux-peft-metadata-te", [.diffusers]),
    ("flux-ia3-split-on-fused", []),
    ("hunyuan-peft-on-comfy", [.diffusers, .kohya, .comfyUI, .peft]),
    ("inpainting-kohya-conv-in", [.diffusers, .kohya, .comfyUI, .peft]),
    ("sd1-locon-tucker", [.kohya, .comfyUI]),
    ("sd1-loha", [.kohya, .comfyUI]),
    ("sd1-full-diff-and-norms", [.kohya, .comfyUI]),
    ("sd1-peft-rslora-folder", [.diffusers, .kohya, .comfyUI]),
    ("sd1-attention-processors", [.diffusers, .kohya, .comfyUI, .peft]),
    ("sd3-kohya-file", [.diffusers, .kohya, .comfyUI]),
    ("sdxl-dora-loha-openclip", [.kohya, .comfyUI]),
    ("sdxl-kohya-sgm-folder", [.diffusers, .kohya, .comfyUI]),
    ("z-image-musubi-split-flat", [.diffusers, .kohya, .comfyUI, .peft]),
  ]
  private static let dialects: [AdapterDialect] = [.diffusers, .kohya, .comfyUI, .peft]

  @Test(arguments: held)
  func thereAndBack(name: String, held: [AdapterDialect]) throws {
    let conversion = try ConversionCase.named(name)
    let scratch = try Scratch()
    for dialect in Self.dialects {
      guard held.contains(dialect) else {
        #expect(throws: ConversionError.self) {
          try conversion.convert(conversion.adapter, to: dialect, in: scratch, "refused")
        }
        continue
      }
      let path = try conversion.convert(conversion.adapter, to: dialect, in: scratch, "first")
      for other in held where other != dialect {
        let there = try conversion.convert(path, to: other, in: scratch, "there")
        let back = try conversion.convert(there, to: dialect, in: scratch, "back")
        #expect(try tensors(of: path) == tensors(of: back), "\(dialect.title) to \(other.title) and back")
      }
    }
    #expect(try scratch.entries().allSatisfy { !$0.contains("refused") })
  }

  @Test(arguments: held.filter { !$0.dialects.isEmpty })
  func mergesToTheSameWeights(name: String, held: [AdapterDialect]) throws {
    let conversion = try ConversionCase.named(name)
    let scratch = try Scratch()
    let wanted = try merged(conversion, conversion.adapter, in: scratch, "wanted")
    #expect(!wanted.isEmpty)
    for dialect in held {
      let path = try conversion.convert(conversion.adapter, to: dialect, in: scratch, "first")
      let found = try merged(conversion, path, in: scratch, "found-\(dialect.rawValue)")
      #expect(found.count == wanted.count)
      for (name, values) in wanted {
        let others = try #require(found[name])
        let largest = values.map(abs).max() ?? 0
        let worst = zip(values, others).map { abs($0 - $1) }.max() ?? 0
        // Sums in another order: a few units in the last place of F32.
        #expect(worst <= largest * 0x1p-18, "\(dialect.title): \(name): \(worst) of \(largest)")
      }
    }
  }

  /// transformers 5.6 took `text_model` out of the paths of CLIP's modules: a config that has it finds no module there.
  @Test(arguments: ["sdxl-kohya-sgm-folder", "flux-peft-metadata-te"])
  func configsOfTextEncodersFitBothPathsOfTransformers(name: String) throws {
    let conversion = try ConversionCase.named(name)
    let scratch = try Scratch()
    let path = try conversion.convert(conversion.adapter, to: .diffusers, in: scratch, "first")
    let header = try SafetensorsHeader(path: path)
    let text = try #require(header.metadata?.first { $0.key == "lora_adapter_metadata" }?.value)
    let config = try JSONParser.parse(Array(text.utf8).span)
    guard case .array(let targets)? = config["text_encoder.target_modules"] else {
      Issue.record("no target_modules: \(text.prefix(300))")
      return
    }
    let keys = header.tensors.map(\.name.string)
    #expect(!targets.isEmpty)
    for target in targets {
      guard case .string(let module) = target else { continue }
      #expect(module.hasPrefix("encoder.layers."), "\(module)")
      #expect(keys.contains("text_encoder.text_model.\(module).lora_A.weight"), "\(module)")
    }
    let scalings = try [path, conversion.adapter].map { try Adapter(path: $0).updates.compactMap(\.scaling).sorted() }
    #expect(scalings[0] == scalings[1])
  }

  private func merged(
    _ conversion: ConversionCase, _ adapter: String, in scratch: Scratch, _ name: String
  ) throws -> [TensorName: [Float]] {
    let isFile = conversion.base.hasSuffix(".safetensors")
    let output = scratch.file(name + (isFile ? ".safetensors" : ""))
    var request = MergeRequest(
      base: try Checkpoint(path: conversion.base), adapters: [AdapterUse(try Adapter(path: adapter), weight: 1)],
      output: output)
    request.planning = MergeOptions(outputDType: .f32)
    _ = try request.prepare().run()
    var values: [TensorName: [Float]] = [:]
    for file in try Checkpoint(path: output).files {
      let data = try SafetensorsFile(path: file.path)
      for tensor in data.header.tensors where tensor.dtype == .f32 {
        values[TensorName(isFile ? "\(tensor.name)" : "\(file.name)|\(tensor.name)")] = try data.floats(tensor.name)
      }
    }
    return values
  }
}
