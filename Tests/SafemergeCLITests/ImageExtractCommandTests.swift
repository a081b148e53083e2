import JSONText
import Safetensors
import TestSupport
import Testing

/// `safemerge extract` of image models, whose adapter is one file.
@Suite struct ImageExtractCommandTests {
  private static let base = fixturesPath() + "/image/cases/bases/sd1-f16.safetensors"
  private static let adapter = fixturesPath() + "/image/cases/sd1-locon-tucker/adapter.safetensors"
  private let scratch: Scratch
  private let tuned: String

  init() throws {
    scratch = try Scratch()
    tuned = scratch.file("tuned.safetensors")
    let result = try Program.run(["merge", "-q", Self.base, Self.adapter, "-o", tuned])
    try #require(result.status == 0, "\(result.messages)")
  }

  @Test func theAdapterMergesAndConverts() throws {
    let output = scratch.file("lora.safetensors")
    let result = try Program.run(["extract", Self.base, tuned, "-o", output, "--rank", "64", "--json"])
    #expect(result.status == 0 && result.errors == [], "\(result.messages)")
    let events = try AdapterEvents(result)
    try events.expectSums(of: "extract", output)
    let factors = AdapterEvents.list(try events.one("adapter_done")["factors"])
    #expect(!factors.isEmpty && factors.allSatisfy { $0["experts"] == .null })
    let kohya = scratch.file("kohya.safetensors")
    #expect(try Program.run(["convert", output, "--to", "kohya", "--base", Self.base, "-o", kohya, "-q"]).status == 0)
    let merged = try ["lora", "kohya"].map { name in
      let path = scratch.file("\(name)-merged.safetensors")
      let result = try Program.run(["merge", "-q", Self.base, scratch.file("\(name).safetensors"), "-o", path])
      #expect(result.status == 0, "\(result.messages)")
      return try tensorBytes(path)
    }
    #expect(merged[0] == merged[1])
    let before = try tensorBytes(Self.base)
    #expect(merged[0].count { before[$0.key] != $0.value } >= factors.count)
  }

  @Test func theOutputMustBeAFile() throws {
    let result = try Program.run(["extract", Self.base, tuned, "-o", scratch.file("lora")])
    #expect(result.status == 2)
    #expect(result.messages.contains("the extracted adapter of an image or video model is one file"))
    #expect(try scratch.entries() == ["tuned.safetensors"])
  }
}
