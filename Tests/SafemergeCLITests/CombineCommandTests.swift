import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// `safemerge combine`: an adapter of several, as `merge --combine` makes it on the way.
@Suite struct CombineCommandTests {
  private static let base = basePath("tiny-llama-f32")
  private static let one = adapterPath("several-a-f32")
  private static let other = adapterPath("several-b-f32") + "=-0.5"
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  @Test(arguments: [
    ["--combine", "linear"], ["--combine", "ties", "--density", "0.5"],
    ["--combine", "magnitude_prune", "--density", "0.4"], ["--combine", "svd"],
    ["--combine", "dare_ties", "--density", "0.6", "--seed", "1"],
  ])
  func mergingItIsMergingByTheMethod(options: [String]) throws {
    let made = try Program.run(["combine", Self.one, Self.other, "-o", scratch.file("adapter")] + options)
    #expect(made.status == 0, "\(made.messages)")
    let merged = try Program.run(["merge", Self.base, scratch.file("adapter"), "-o", scratch.file("merged")])
    #expect(merged.status == 0, "\(merged.messages)")
    let direct = try Program.run(["merge", Self.base, Self.one, Self.other, "-o", scratch.file("direct")] + options)
    #expect(direct.status == 0, "\(direct.messages)")
    #expect(try tensorBytes(scratch.file("merged")) == tensorBytes(scratch.file("direct")))
  }

  @Test func withoutAMethodItIsTheSum() throws {
    let third = adapterPath("several-c-f32") + "=-1.5"
    let made = try Program.run(["combine", Self.one, third, "-o", scratch.file("adapter")])
    #expect(made.status == 0, "\(made.messages)")
    #expect(made.messageLines.contains { $0.hasPrefix("combine   cat: ") })
    #expect(try Program.run(["merge", Self.base, scratch.file("adapter"), "-o", scratch.file("merged")]).status == 0)
    #expect(try Program.run(["merge", Self.base, Self.one, third, "-o", scratch.file("direct")]).status == 0)
    let (found, expected) = (try tensorBytes(scratch.file("merged")), try tensorBytes(scratch.file("direct")))
    for (name, bytes) in expected {
      let (one, another) = (floats(bytes), floats(try #require(found[name])))
      let largest = one.map(\.magnitude).max() ?? 0
      #expect(zip(one, another).allSatisfy { ($0 - $1).magnitude <= largest * 1e-6 }, "\(name)")
    }
  }

  /// A merge refuses factors of a tied head that are not the embedding's exchanged.
  @Test(arguments: [
    [], ["--dtype", "bf16"], ["--combine", "linear"], ["--combine", "ties", "--density", "0.5"], ["--combine", "svd"],
    ["--combine", "dare_linear", "--density", "0.6", "--seed", "1"],
  ])
  func tiedFactorsStayEqual(options: [String]) throws {
    let (base, adapter) = (basePath("tiny-tied-f32"), adapterPath("tied-ensured-f32"))
    let made = try Program.run(
      ["combine", adapter + "=1.3", adapter + "=-0.3", "-o", scratch.file("adapter")] + options)
    #expect(made.status == 0, "\(made.messages)")
    let merged = try Program.run(["merge", base, scratch.file("adapter"), "-o", scratch.file("merged")])
    #expect(merged.status == 0, "\(merged.messages)")
    #expect(try tensorBytes(scratch.file("merged")) != tensorBytes(base))
    guard options == [] else { return }
    #expect(try Program.run(["merge", base, adapter, "-o", scratch.file("sum")]).status == 0)
    let (found, expected) = (try tensorBytes(scratch.file("merged")), try tensorBytes(scratch.file("sum")))
    for (name, bytes) in expected {
      let (one, another) = (floats(bytes), floats(try #require(found[name])))
      #expect(zip(one, another).allSatisfy { ($0 - $1).magnitude <= 1e-5 }, "\(name)")
    }
  }

  private func floats(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count, by: 4).map { place in
      Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << (8 * $1) })
    }
  }

  @Test func factorsAreRoundedToTheDType() throws {
    for (name, dtype) in [("bf16", DType.bf16), ("f16", .f16), ("f32", .f32)] {
      let made = try Program.run(["combine", Self.one, Self.other, "-o", scratch.file(name), "--dtype", name])
      #expect(made.status == 0, "\(made.messages)")
      #expect(Set(try readTensors(scratch.file(name)).map(\.dtype)) == [dtype])
    }
  }

  @Test func theEventsFitTheSchema() throws {
    let schema = try JSONSchema(path: fixturesPath() + "/../docs/json.schema.json")
    let result = try Program.run(["combine", "--json", Self.one, Self.other, "-o", scratch.file("adapter")])
    #expect(result.status == 0, "\(result.messages)")
    let events = try result.lines.map { line in
      let bytes = Array(line.utf8)
      return try JSONParser.parse(bytes.span)
    }
    for event in events { #expect(schema.problems(event) == [], "\(event)") }
    func names(_ name: String) -> Int { events.count { $0["event"] == .string(name) } }
    #expect(events.first?["event"] == .string("start"))
    #expect(events.first?["command"] == .string("combine"))
    #expect(names("adapter_plan") == 1)
    #expect(names("module") >= 1)
    #expect(events.last?["event"] == .string("adapter_done"))
  }

  @Test func whatHasNoMeaningIsRefused() throws {
    for name in ["dora-linear-f32", "bias-all-f32"] {
      let result = try Program.run(["combine", adapterPath(name), Self.one, "-o", scratch.file("adapter")])
      #expect(expectRefusal(result, status: 3, "\(result.messages)").contains("["))
      // "cat" was just refused.
      #expect(!result.messages.contains("--combine cat") && result.messages.contains("safemerge merge BASE ADAPTER"))
    }
    let file = try Program.run(["combine", Self.one, "-o", scratch.file("adapter.safetensors")])
    #expect(expectRefusal(file, status: 2, "\(file.messages)").contains("is a folder"))
    let parts = try Program.run(["combine", Self.one + "=te:0.5", "-o", scratch.file("adapter")])
    #expect(expectRefusal(parts, status: 2, "\(parts.messages)").contains("weights of parts"))
    #expect(try scratch.entries() == [])
  }

  @Test(arguments: [[], ["--combine", "linear"], ["--combine", "svd"]])
  func factorsThatAreNotFiniteAreNamed(options: [String]) throws {
    let module = "model.layers.0.self_attn.q_proj"
    let damaged: [UInt8] = [0, 0, 0xC0, 0x7F] + [UInt8](repeating: 0, count: 28)
    let adapter = try writeAdapter(
      scratch.file("damaged"), rank: 2, alpha: "2",
      [
        TestTensor("\(module).lora_A.weight", .f32, [2, 4], bytes: damaged),
        TestTensor("\(module).lora_B.weight", .f32, [4, 2]),
      ], fields: #""target_modules": ["q_proj"]"#)
    let result = try Program.run(["combine", "-q", adapter, adapter, "-o", scratch.file("adapter")] + options)
    #expect(expectRefusal(result, status: 3, "\(result.messages)").contains("[nonfinite]"))
    #expect(result.messages.contains("\(adapter)/adapter_model.safetensors: base_model.model.\(module).lora_A.weight"))
    #expect(try scratch.entries() == ["damaged"])
  }

  @Test func aDryRunWritesNothing() throws {
    let result = try Program.run(["combine", "-n", Self.one, Self.other])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.lines.count == 3)
    #expect(try scratch.entries() == [])
  }
}
