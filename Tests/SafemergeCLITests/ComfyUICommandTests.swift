import Foundation
import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

/// Merges into FP8 files of ComfyUI, as a user sees them.
@Suite struct ComfyUICommandTests {
  private static func folder(_ name: String) -> String { fixturesPath() + "/comfyui/\(name)" }

  private static func arguments(_ name: String) -> [String] {
    ["merge", folder(name) + "/base.safetensors", folder(name) + "/adapter"] + (name == "plain" ? ["--requantize"] : [])
  }

  private struct Malformed: Error {}

  private func parsed(_ bytes: [UInt8]) throws -> JSONValue { try JSONParser.parse(bytes.span) }

  private func real(_ value: JSONValue?) throws -> Double {
    switch value {
    case .real(let number)?: number
    case .integer(let number)?: Double(number)
    default: throw Malformed()
    }
  }

  /// The summary, the report and the events have the generator's numbers, which are computed in double.
  @Test(arguments: ["scaled", "described", "metadata", "plain"]) func theLossIsReported(name: String) throws {
    let scratch = try Scratch()
    guard case .object(let wanted) = try parsed(try contents(Self.folder(name) + "/numbers.json")) else {
      throw Malformed()
    }
    let report = scratch.file("report.json")
    let result = try Program.run(
      Self.arguments(name) + ["-o", scratch.file("merged.safetensors"), "--report", report, "--verify", "full"])
    #expect(result.status == 0, "\(result.messages)")
    #expect(!result.messages.contains("not checked"), "\(result.messages)")
    let events = try Program.run(Self.arguments(name) + ["-o", scratch.file("other.safetensors"), "--json"])
    let event = try events.lines.map { try parsed(Array($0.utf8)) }.first { $0["event"] == .string("requantized") }
    let text = try parsed(try contents(report))
    guard case .array(let told)? = event?["tensors"], case .array(let reported)? = text["tensors"] else {
      throw Malformed()
    }
    #expect(told.count == wanted.count)
    var (lost, changes, changed, count) = (0.0, 0.0, 0.0, 0.0)
    for (layer, numbers) in wanted.map({ ($0.key, $0.value) }) {
      let error = try real(numbers["error"])
      let inEvent = try #require(told.first { $0["name"] == .string(layer) })
      let inReport = try #require(reported.first { $0["name"] == .string(layer) })
      #expect(abs(try real(inEvent["error"]) / error - 1) < 1e-5)
      #expect(abs(try real(inReport["rounding_loss"]) / error - 1) < 1e-5)
      for key in ["changed_codes", "half_steps"] {
        #expect(inEvent[key] == numbers[key] && inReport[key] == numbers[key], "\(layer) \(key)")
      }
      let norm = try real(inEvent["delta_norm"])
      lost += error * error * norm * norm
      changes += norm * norm
      changed += try real(numbers["changed_codes"])
      count += try real(inEvent["elements"])
    }
    let worst = try #require(try wanted.max { try real($0.value["error"]) < real($1.value["error"]) })
    let line = try #require(result.messageLines.first { $0.hasPrefix("requant ") })
    func percent(_ share: Double) -> String { NumberFormat.percent(share) }
    #expect(
      line.hasPrefix(
        "requant   \(wanted.count) weight\(wanted.count == 1 ? "" : "s") requantized: \(percent(changed / count)) of"),
      "\(line)")
    #expect(line.contains("rounding error \(percent((lost / changes).squareRoot())) of the delta"), "\(line)")
    #expect(line.hasSuffix("(most: \(worst.key), \(percent(try real(worst.value["error"]))))"), "\(line)")
  }

  private enum NumberFormat {
    /// Three digits.
    static func percent(_ share: Double) -> String {
      let value = share * 100
      let digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3
      let text = String(format: "%.\(digits)f", value)
      return text + " %"
    }
  }

  @Test(arguments: ["scaled", "described", "metadata", "plain"]) func theCheckFindsAWrongByte(name: String) throws {
    let scratch = try Scratch()
    let output = scratch.file("merged.safetensors")
    #expect(try Program.run(Self.arguments(name) + ["-q", "-o", output]).status == 0)
    let check = [
      "check", output, "--against", Self.folder(name) + "/base.safetensors", "--adapter",
      Self.folder(name) + "/adapter",
    ]
    let right = try Program.run(check)
    #expect(right.status == 0 && right.text.contains("100 % of elements correctly rounded"), "\(right.text)")
    #expect(!right.text.contains("could not be checked"), "\(right.text)")
    let header = try SafetensorsHeader(path: output)
    let before = try tensorBytes(Self.folder(name) + "/base.safetensors")
    var bytes = try contents(output)
    let tensor = try #require(
      header.tensors.first { tensor in
        tensor.dtype == .f8E4M3
          && before[tensor.name.string].map { old in
            let start = header.dataStart + tensor.dataOffsets.lowerBound
            return old != Array(bytes[start..<start + tensor.byteCount])
          } ?? false
      })
    bytes[header.dataStart + tensor.dataOffsets.lowerBound] ^= 1
    try write(bytes, to: output)
    let wrong = try Program.run(check)
    #expect(
      wrong.status == 3 && wrong.text.contains("\(tensor.name): 1 element differs from the merge"), "\(wrong.text)")
  }

  /// Layers in formats that a merge doesn't write: named where an adapter changes them, else copied bit for bit.
  @Test(arguments: ["nvfp4", "mxfp8"]) func otherFormatsAreNamedOrCopied(format: String) throws {
    let scratch = try Scratch()
    let text = "{\"format\": \"\(format)\"}"
    var random = SeededGenerator()
    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...60, using: &random) } }
    let isFourBit = format == "nvfp4"
    let tensors = [
      TestTensor(
        "a.weight", isFourBit ? .u8 : .f8E4M3, [16, isFourBit ? 16 : 32], bytes: bytes(isFourBit ? 256 : 512)),
      TestTensor("a.weight_scale", isFourBit ? .f8E4M3 : .u8, [128, 4], bytes: bytes(512)),
      TestTensor("a.weight_scale_2", .f32, [], bytes: [0, 0, 128, 63]),
      TestTensor("a.comfy_quant", .u8, [text.utf8.count], bytes: Array(text.utf8)),
      TestTensor("b.weight", .bf16, [16, 32], bytes: bytes(1024)),
    ].filter { isFourBit || $0.name != "a.weight_scale_2" }
    let base = scratch.file("base.safetensors")
    try writeFile(base, tensors)
    func adapter(_ module: String) throws -> String {
      let path = scratch.file("adapter-\(module).safetensors")
      try writeFile(
        path,
        [
          TestTensor("\(module).lora_down.weight", .bf16, [2, 32], bytes: bytes(128)),
          TestTensor("\(module).lora_up.weight", .bf16, [16, 2], bytes: bytes(64)),
        ])
      return path
    }
    let output = scratch.file("merged.safetensors")
    for options in [[], ["--dtype", "bf16"], ["--requantize"]] {
      let refused = try Program.run(["merge", base, try adapter("a"), "-o", output] + options)
      #expect(refused.status == 3, "\(refused.messages)")
      let line = try #require(refused.messageLines.first { $0.hasPrefix("error: ") })
      #expect(line.contains("\(base): a.weight: ") && line.contains(format), "\(line)")
      #expect(refused.messages.contains("hint: "), "\(refused.messages)")
      #expect(refused.messages.contains("16-bit"), "\(refused.messages)")
      #expect(try scratch.entries().sorted() == ["adapter-a.safetensors", "base.safetensors"])
    }
    let merged = try Program.run(["merge", base, try adapter("b"), "-o", output])
    #expect(merged.status == 0, "\(merged.messages)")
    let found = try tensorBytes(output)
    #expect(Set(found.keys) == Set(tensors.map(\.name)))
    for tensor in tensors {
      #expect((found[tensor.name] == tensor.bytes) == (tensor.name != "b.weight"), "\(tensor.name)")
    }
  }
}
