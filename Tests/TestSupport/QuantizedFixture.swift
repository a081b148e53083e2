import Foundation
import Safetensors

/// A base with quantized weights in `Fixtures/quantized`, and what the reference implementations decode it to.
package struct QuantizedFixture: Sendable, CustomStringConvertible {
  package let name: String

  package var description: String { name }

  package static let all = [
    "awq", "compressed-channel", "compressed-int8", "compressed-tensor", "fbgemm", "fp4-nested", "fp8-block",
    "fp8-e8m0", "fp8-small-block", "fp8-tensor", "gptq", "gptq-v2", "int8", "mxfp4", "mxfp8", "nf4", "nf4-large-block",
    "nf4-nested", "nvfp4", "packed-channel", "packed-group", "packed-zeros", "torchao-float8", "torchao-float8-tensor",
    "torchao-int8", "torchao-intx", "compressed-mixed", "compressed-mx", "deepseek-fp4", "fp8-plain", "gptq-2bit",
    "gptq-8bit", "gptq-8bit-zero", "gptq-zero", "mlx", "modelopt-nvfp4", "packed-2bit", "packed-8bit", "packed-groups",
  ].map { QuantizedFixture($0) }

  package init(_ name: String) { self.name = name }

  package var base: String { fixturesPath() + "/quantized/\(name)/base" }

  /// A file with all weights as numbers.
  package var decoded: String { fixturesPath() + "/quantized/\(name)/decoded.safetensors" }

  /// Whether its weights are stacks of experts.
  package var hasExperts: Bool { name == "mxfp4" }

  /// Whether a change of one weight dequantizes all.
  package var decodesAll: Bool { name.hasPrefix("gptq") }

  /// Whether nothing lists what is not quantized: readers take for codes what has scales.
  package var hasNoList: Bool { name == "mlx" || name == "fp8-plain" }

  /// Names of the weights that are codes in the base.
  package var weights: [String] {
    (0..<2).flatMap { layer in
      hasExperts
        ? ["gate_up_proj", "down_proj"].map { "model.layers.\(layer).mlp.experts.\($0)" }
        : ["model.layers.\(layer).proj.weight"]
    }
  }

  /// Writes an adapter for the weights of some layers.
  package func adapter(_ folder: String, layers: Range<Int>, scale: Float = 0.01) throws -> String {
    let header = try SafetensorsHeader(path: decoded)
    var number = 7
    var tensors: [TestTensor] = []
    func shape(_ name: String) throws -> [Int] {
      guard let info = header.tensors.first(where: { $0.name.string == name }) else {
        throw CocoaError(.fileReadCorruptFile)
      }
      return info.shape
    }
    func factor(_ key: String, _ shape: [Int]) {
      let bytes = (0..<shape.reduce(1, *)).flatMap { _ in
        number = (number * 7919 + 12345) % 65_521
        let value = (Float(number) / 32_760 - 1) * scale
        return withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
      }
      tensors.append(TestTensor(key, .f32, shape, bytes: bytes))
    }
    for layer in layers {
      if hasExperts {
        let module = "model.layers.\(layer).mlp.experts"
        let shape = try shape(module + ".gate_up_proj")
        factor("\(module).lora_A.weight", [2 * shape[0], shape[1]])
        factor("\(module).lora_B.weight", [shape[2], 2 * shape[0]])
      } else {
        let module = "model.layers.\(layer).proj"
        let shape = try shape(module + ".weight")
        factor("\(module).lora_A.weight", [2, shape[1]])
        factor("\(module).lora_B.weight", [shape[0], 2])
      }
    }
    let fields =
      "\"peft_version\": \"0.21.2\""
      + (hasExperts ? ", \"target_parameters\": [\"mlp.experts.gate_up_proj\"]" : "")
    return try writeAdapter(folder, rank: 2, alpha: "2", tensors, fields: fields)
  }
}
