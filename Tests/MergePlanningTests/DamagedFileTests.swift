import Adapters
import Checkpoints
import Foundation
import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// Adapters of one file that lost a tensor, or have one with another name or shape, are rejected, or are adapters of a known other
/// meaning. A sample of what `Fixtures/checks/check_refusals.py` tries.
@Suite struct DamagedFileTests {
  private struct Mutant: CustomStringConvertible {
    let what: String
    let key: String
    let tensors: [TestTensor]

    var description: String { "\(what) \(key)" }
  }

  /// An adapter of the image cases.
  private struct Case {
    let name: String
    let base: String
    let adapter: String

    private struct Description: Decodable {
      struct Adapter: Decodable {
        let file: String
        let weight: Double
      }

      let base: String
      let adapters: [Adapter]
      let expect: String
      let options: [String]?
    }

    /// Those that are merged with one adapter and no options.
    static func all() throws -> [Case] {
      let folder = fixturesPath() + "/image/cases/"
      var cases: [Case] = []
      for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted() where name != "bases" {
        let path = folder + name + "/case.json"
        let description = try JSONDecoder().decode(Description.self, from: Data(try contents(path)))
        let adapter = description.adapters[0]
        let isPlain = description.adapters.count == 1 && adapter.weight == 1 && description.options == nil
        guard description.expect == "merge", isPlain else { continue }
        cases.append(
          Case(name: name, base: folder + name + "/" + description.base, adapter: folder + name + "/" + adapter.file))
      }
      return cases
    }
  }

  /// What may be missing: alpha means the scale 1 then, and without the others an adapter has one part less.
  private static let optional = [
    ".alpha", ".dora_scale", ".lora_magnitude_vector", ".magnitude", ".rescale", ".lora_B.bias", ".diff", ".diff_b",
    ".diff_m", ".w_norm", ".b_norm", ".set_weight",
  ]
  private static let sampleSize = 120

  private static func mutant(_ tensors: [TestTensor], _ random: inout SeededGenerator) -> Mutant? {
    guard let place = tensors.indices.randomElement(using: &random) else { return nil }
    let tensor = tensors[place]
    func with(_ changed: TestTensor?) -> [TestTensor] {
      tensors.indices.compactMap { $0 == place ? changed : tensors[$0] }
    }
    func named(_ name: String) -> TestTensor {
      TestTensor(name, tensor.dtype, tensor.shape, bytes: tensor.bytes)
    }
    let module = tensor.name.lastIndex(of: ".").map { String(tensor.name[..<$0]) } ?? ""
    switch Int.random(in: 0..<5, using: &random) {
    case 0: return Mutant(what: "drop", key: tensor.name, tensors: with(nil))
    case 1: return Mutant(what: "rename", key: tensor.name, tensors: with(named(tensor.name + "x")))
    case 2: return Mutant(what: "replace", key: tensor.name, tensors: with(named(module + ".zzz")))
    case 3:
      return Mutant(
        what: "add", key: tensor.name, tensors: tensors + [TestTensor(module + ".unknown_key", .f32, [2])])
    default:
      guard let axis = tensor.shape.indices.randomElement(using: &random), !tensor.bytes.isEmpty else { return nil }
      var shape = tensor.shape
      shape[axis] += Bool.random(using: &random) || shape[axis] == 1 ? 1 : -1
      // Not of zeros: factors that change nothing may be of any shape.
      let byteCount = shape.reduce(tensor.dtype.bitCount / 8, *)
      let bytes = Array(
        repeatElement(tensor.bytes, count: byteCount / tensor.bytes.count + 1).joined().prefix(byteCount))
      return Mutant(
        what: "shape \(shape)", key: tensor.name,
        tensors: with(TestTensor(tensor.name, tensor.dtype, shape, bytes: bytes)))
    }
  }

  private static func isAllowed(_ mutant: Mutant) -> Bool {
    if mutant.key.hasPrefix("bundle_emb.") { return true }
    guard mutant.what == "drop" else { return false }
    if mutant.key.hasSuffix(".oft_blocks") {
      let module = mutant.key.dropLast("oft_blocks".count)
      return !mutant.tensors.contains { $0.name.hasPrefix(module) }
    }
    return optional.contains { mutant.key.hasSuffix($0) }
  }

  private func plan(_ base: Checkpoint, _ adapter: String) throws -> MergePlan {
    try MergePlan(base: base, adapters: [AdapterUse(try Adapter(path: adapter))], options: MergeOptions())
  }

  @Test func isRejected() throws {
    let scratch = try Scratch()
    var random = SeededGenerator()
    let cases = try Case.all()
    #expect(cases.count > 80)
    var count = 0
    while count < Self.sampleSize {
      let testCase = try #require(cases.randomElement(using: &random))
      let header = try SafetensorsHeader(path: testCase.adapter)
      guard let mutant = Self.mutant(try readTensors(testCase.adapter), &random) else { continue }
      count += 1
      let path = scratch.file("adapter.safetensors")
      var writer = JSONWriter()
      writer.value(
        .object((header.metadata ?? []).map { JSONMember(key: $0.key, value: .string($0.value)) }))
      try writeFile(path, mutant.tensors, metadata: String(decoding: writer.bytes, as: UTF8.self))
      let base = try Checkpoint(path: testCase.base)
      let comment: Comment = "\(testCase.name): \(mutant.what) \(mutant.key) \(random)"
      var plan: MergePlan?
      if let error = refusal({ plan = try self.plan(base, path) }) {
        #expect(error.category == .refusedInput && error.file != nil && !error.message.contains("\n"), comment)
        continue
      }
      #expect(Self.isAllowed(mutant), comment)
      guard mutant.what == "drop", mutant.key.hasSuffix(".alpha") else { continue }
      // Its scale is 1; of a method without one it bounds, and decides no module.
      let module = mutant.key.dropLast(".alpha".count)
      for other in plan?.modules ?? [] where other.name == module { #expect(other.scaling ?? 1 == 1, comment) }
    }
  }

  /// PEFT rounds what it merges, and it merges no such file.
  @Test func theArithmeticOfPEFTIsRejected() throws {
    let testCase = try #require(try Case.all().first { $0.name == "sd1-loha" })
    var options = MergeOptions()
    options.arithmetic = .peft
    let error = refusal {
      _ = try MergePlan(
        base: try Checkpoint(path: testCase.base), adapters: [AdapterUse(try Adapter(path: testCase.adapter))],
        options: options)
    }
    #expect(error?.errorClass == "unsupported" && error?.category == .refusedInput)
    #expect(error?.file == testCase.adapter && error?.message.hasPrefix("--arithmetic peft ") == true)
    #expect(error?.hint?.hasPrefix("leave out --arithmetic peft") == true)
  }

  /// A kernel's norms are those of its input channels, and no other number of them.
  @Test(arguments: [3, 2, 6, 12]) func normsOfOtherColumnsAreRejected(count: Int) throws {
    let scratch = try Scratch()
    let base = scratch.file("base.safetensors")
    try writeFile(base, [TestTensor("conv.weight", .f32, [8, 4, 3, 3]), TestTensor("linear.weight", .f32, [8, 12])])
    for (module, down, up) in [("conv", [2, 4, 3, 3], [8, 2, 1, 1]), ("linear", [2, 12], [8, 2])] {
      func adapter(_ count: Int) throws -> String {
        let path = scratch.file("adapter.safetensors")
        let shape = module == "conv" ? [1, count, 1, 1] : [1, count]
        try writeFile(
          path,
          [
            TestTensor("\(module).lora_down.weight", .f32, down), TestTensor("\(module).lora_up.weight", .f32, up),
            TestTensor("\(module).dora_scale", .f32, shape),
          ])
        return path
      }
      let right = module == "conv" ? 4 : 12
      _ = try plan(try Checkpoint(path: base), try adapter(right))
      guard count != right else { continue }
      let error = refusal { _ = try plan(try Checkpoint(path: base), try adapter(count)) }
      #expect(error?.errorClass == "shape" && error?.tensor == "\(module).dora_scale", "\(error?.message ?? "merged")")
    }
  }
}
