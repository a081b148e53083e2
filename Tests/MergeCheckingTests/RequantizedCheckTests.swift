import Adapters
import Checkpoints
import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import Inspection
@testable import MergeChecking

/// Weights that were written in FP8 again are dequantized by the check's own code, and every code and scale is judged.
@Suite struct RequantizedCheckTests {
  private struct Case {
    let base: String
    let adapter: String
    /// What the format's reference implementation makes of the merge.
    let expected: String
    let options: MergeOptions
  }

  static let comfyUI = ["scaled", "described", "metadata", "plain"]
  static let others = [
    "block", "compressed-channel", "compressed-tensor", "experts", "lost", "rows", "small-block", "tensor", "ue8m0",
  ]

  private static func named(_ name: String) -> Case {
    var options = MergeOptions()
    if comfyUI.contains(name) {
      options.requantizes = name == "plain"
      let folder = fixturesPath() + "/comfyui/\(name)"
      return Case(
        base: folder + "/base.safetensors", adapter: folder + "/adapter",
        expected: folder + "/requantized.safetensors", options: options)
    }
    options.requantizes = true
    let folder = fixturesPath() + "/written-back/\(name)"
    return Case(
      base: folder + "/base", adapter: folder + "/adapter", expected: folder + "/merged.safetensors",
      options: options)
  }

  private func check(_ output: String, _ testCase: Case, isOwn: Bool? = nil) throws -> MergeCheck.Report {
    try MergeCheckingTests.check(output, testCase.base, [(testCase.adapter, 1)], planning: testCase.options) {
      $0.hasPromisedBits = isOwn
    }
  }

  /// The result of the reference implementation, with some tensors changed.
  private func changed(
    _ testCase: Case, in scratch: Scratch, metadata: String? = nil, _ change: (TestTensor) -> TestTensor
  ) throws -> String {
    let path = scratch.file("changed.safetensors")
    let entries = try SafetensorsHeader(path: testCase.expected).metadata ?? []
    let own = entries.map {
      "\"\($0.key)\":\"\($0.value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    }
    try writeFile(
      path, try readTensors(testCase.expected).map(change), metadata: metadata ?? "{\(own.joined(separator: ","))}")
    return path
  }

  /// Own results, and those of torch, compressed-tensors and transformers.
  @Test(arguments: comfyUI + others) func codesAndScalesAreExact(name: String) throws {
    let scratch = try Scratch()
    let testCase = Self.named(name)
    let isFile = Self.comfyUI.contains(name)
    let output = scratch.file(isFile ? "merged.safetensors" : "merged")
    try merge(testCase.base, [(testCase.adapter, 1)], to: output, options: testCase.options)
    for (result, isOwn) in [(output, true), (testCase.expected, false)] {
      let report = try check(result, testCase, isOwn: isOwn ? true : nil)
      #expect(report.findings == [], "\(result)")
      let merged = report.tensors.filter(\.isMerged)
      #expect(merged.contains { $0.dtype == .f8E4M3 })
      for tensor in merged {
        #expect(tensor.verdict == .exact, "\(tensor.name): \(tensor.verdict)")
        #expect(tensor.comparison.map { $0.worstError <= 0.5001 } == true, "\(tensor.name)")
      }
    }
  }

  /// One bit of a code, whichever it is; also where nobody says whose result it is.
  @Test(arguments: comfyUI, [true, false]) func awrongByteIsFound(name: String, isOwn: Bool) throws {
    let testCase = Self.named(name)
    var random = SeededGenerator()
    let report = try check(testCase.expected, testCase)
    for tensor in report.tensors where tensor.isMerged && tensor.dtype == .f8E4M3 {
      let scratch = try Scratch()
      let element = Int.random(in: 0..<tensor.shape.reduce(1, *), using: &random)
      for bit in 0..<8 {
        let path = try changed(testCase, in: scratch) { other in
          guard other.name == tensor.name.string else { return other }
          var bytes = other.bytes
          bytes[element] ^= 1 << UInt8(bit)
          return TestTensor(other.name, other.dtype, other.shape, bytes: bytes)
        }
        let findings = try check(path, testCase, isOwn: isOwn ? true : nil).findings
        #expect(
          findings.count == 1 && findings.first?.tensor == tensor.name,
          "\(tensor.name) element \(element) bit \(bit) \(random): \(findings.map(\.description))")
      }
    }
  }

  /// The codes are right, so the finding is about the scale alone.
  @Test(arguments: ["scaled", "described", "metadata"]) func awrongScaleIsFound(name: String) throws {
    let testCase = Self.named(name)
    let report = try check(testCase.expected, testCase)
    let scales = report.tensors.filter { $0.isMerged && $0.name.string.contains("scale") }
    #expect(!scales.isEmpty)
    for scale in scales {
      for factor: Float in [1.02, 2, 0.5, -1, 0, .nan, .infinity] {
        let scratch = try Scratch()
        var isZeros = false
        let path = try changed(testCase, in: scratch) { other in
          guard other.name == scale.name.string else { return other }
          let bits = other.bytes.enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << (8 * UInt32($1.offset)) }
          isZeros = Float(bitPattern: bits) == 1
          let value = (Float(bitPattern: bits) * factor).bitPattern
          let bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
          return TestTensor(other.name, other.dtype, other.shape, bytes: bytes)
        }
        for isOwn in [true, nil] {
          let findings = try check(path, testCase, isOwn: isOwn).findings
          #expect(
            findings.count == 1 && findings.first?.tensor == scale.name && findings.first?.findingClass == "damaged",
            "\(scale.name) times \(factor), \(isZeros): \(findings.map(\.description))")
        }
      }
    }
  }

  /// Two layers of one shape, with their scales.
  @Test func swappedLayersAreFound() throws {
    let testCase = Self.named("described")
    let scratch = try Scratch()
    let tensors = try tensorBytes(testCase.expected)
    func other(_ name: String) -> String {
      name.contains(".q.") ? name.replacing(".q.", with: ".k.") : name.replacing(".k.", with: ".q.")
    }
    let path = try changed(testCase, in: scratch) { tensor in
      guard ["weight", "weight_scale"].contains(tensor.name.split(separator: ".").last ?? ""),
        let bytes = tensors[other(tensor.name)], bytes.count == tensor.bytes.count
      else { return tensor }
      return TestTensor(tensor.name, tensor.dtype, tensor.shape, bytes: bytes)
    }
    let findings = try check(path, testCase).findings
    let names = ["k", "q"].flatMap { ["blocks.0.\($0).weight", "blocks.0.\($0).weight_scale"] }
    #expect(Set(findings.compactMap { $0.tensor?.string }) == Set(names), "\(findings.map(\.description))")
  }

  /// The base's codes with the base's scale.
  @Test func amissingDeltaIsNamed() throws {
    let testCase = Self.named("scaled")
    let report = try check(testCase.base, testCase)
    #expect(report.findings.contains { $0.findingClass == "base-unchanged" }, "\(report.findings.map(\.description))")
    #expect(report.findings.contains { $0.findingClass == "delta-dropped" })
  }

  /// Another scale is right where every code is the number next to the exact value with it, as other programs choose it.
  @Test func anotherScaleIsNoFault() throws {
    let testCase = Self.named("scaled")
    let scratch = try Scratch()
    let name = "model.diffusion_model.blocks.0.q"
    let tensors = try tensorBytes(testCase.expected)
    let codes = try #require(tensors[name + ".weight"])
    let path = try changed(testCase, in: scratch) { tensor in
      switch tensor.name {
      // Twice the scale and half of each number: no code of this weight loses a bit if those that do are left out.
      case name + ".weight":
        let halved = codes.map { $0 & 0x7F >= 0x10 ? $0 - 8 : $0 }
        return TestTensor(tensor.name, tensor.dtype, tensor.shape, bytes: halved)
      case name + ".scale_weight":
        let bits = tensor.bytes.enumerated().reduce(UInt32(0)) { $0 | UInt32($1.element) << (8 * UInt32($1.offset)) }
        let value = (Float(bitPattern: bits) * 2).bitPattern
        return TestTensor(
          tensor.name, tensor.dtype, tensor.shape, bytes: (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
      default: return tensor
      }
    }
    let scale = TensorName(name + ".scale_weight")
    let own = try check(path, testCase, isOwn: true).findings
    #expect(own.contains { $0.tensor == scale }, "\(own.map(\.description))")
    // Those of small codes are off: they were left as they are.
    let small = codes.count { (1..<0x10).contains($0 & 0x7F) }
    let report = try check(path, testCase)
    let verdict = report.tensors.first { $0.name == scale }?.verdict
    #expect(small == 0 ? verdict == .rounded : verdict?.isFinding == true, "\(small) \(String(describing: verdict))")
  }

  /// What says how a reader takes the tensors.
  @Test func wrongDescriptionsAreFound() throws {
    let testCase = Self.named("metadata")
    let scratch = try Scratch()
    func metadata(_ layers: String) -> String {
      let text = "{\"format_version\":\"1.0\",\"layers\":{\(layers)}}".replacing("\"", with: "\\\"")
      return "{\"format\":\"pt\",\"modelspec.title\":\"x\",\"_quantization_metadata\":\"\(text)\"}"
    }
    let right = "\"blocks.0.q\":{\"format\":\"float8_e4m3fn\"}"
    for (layers, what) in [
      (right, nil), ("", "does not describe blocks.0.q: ComfyUI"),
      (right + ",\"blocks.0.e5\":{\"format\":\"float8_e5m2\"}", "describes blocks.0.e5, which is not quantized"),
      (right.replacing("e4m3fn", with: "e5m2"), "does not describe blocks.0.q as the base does"),
    ] {
      let path = try changed(testCase, in: scratch, metadata: metadata(layers)) { $0 }
      let findings = try check(path, testCase).findings
      guard let what else {
        #expect(findings == [])
        continue
      }
      #expect(findings.map(\.findingClass) == ["quantization"])
      #expect(findings.first?.message.contains(what) == true, "\(findings.map(\.description))")
    }
  }

  /// A file whose every weight was decoded: by torch, and with a bit flipped.
  @Test(arguments: comfyUI) func decodedFilesAreChecked(name: String) throws {
    let scratch = try Scratch()
    let own = Self.named(name)
    let testCase = Case(
      base: own.base, adapter: own.adapter,
      expected: fixturesPath() + "/comfyui/\(name)/decoded.safetensors", options: MergeOptions(outputDType: .bf16))
    let report = try check(testCase.expected, testCase, isOwn: true)
    #expect(report.findings == [])
    for tensor in report.tensors { #expect([.exact, .same].contains(tensor.verdict), "\(tensor.name)") }
    for tensor in report.tensors where !tensor.shape.contains(0) {
      let path = try changed(testCase, in: scratch) { other in
        guard other.name == tensor.name.string else { return other }
        var bytes = other.bytes
        bytes[bytes.count / 2] ^= 1
        return TestTensor(other.name, other.dtype, other.shape, bytes: bytes)
      }
      #expect(try check(path, testCase, isOwn: true).findings.map(\.tensor) == [tensor.name])
    }
  }

  /// Each distance within half of a step, for every number of E4M3 and the places between them.
  @Test func codesAreTheNearestNumbers() {
    let numbers = (UInt8(0)...126).map { PlainArithmetic.e4m3Value($0) }
    #expect(numbers == numbers.sorted() && numbers.last == 448 && numbers[1] == 0x1p-9)
    var values: [Float] = []
    for (number, next) in zip(numbers, numbers.dropFirst()) {
      let middle = Float((number + next) / 2)
      values += [Float(number), middle.nextDown, middle, middle.nextUp]
    }
    values += [448, 460, 1e30, .infinity]
    values += values.map { -$0 }
    var codes = [UInt8](repeating: 0, count: values.count)
    PlainArithmetic.encodeE4M3(values, 0..<values.count, scale: 1, divides: true, into: &codes)
    for (value, code) in zip(values, codes) {
      let distance = { (code: UInt8) in abs(PlainArithmetic.e4m3Value(code) - Double(min(value.magnitude, 448))) }
      let best = (UInt8(0)...126).min { (distance($0), $0 % 2) < (distance($1), $1 % 2) }
      #expect(code & 0x7F == best, "\(value)")
      #expect((code >= 0x80) == (value.sign == .minus))
    }
    var nan: [UInt8] = [0]
    PlainArithmetic.encodeE4M3([.nan], 0..<1, scale: 1, divides: true, into: &nan)
    #expect(nan == [0x7F])
  }
}
