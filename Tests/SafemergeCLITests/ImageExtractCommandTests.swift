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

  /// Convolutions of which the bias has changed too.
  @Test func biasesAreConvertedBesideFactors() throws {
    let cases = fixturesPath() + "/image/cases/"
    let (base, full) = (cases + "bases/sd1-folder", scratch.file("full"))
    let adapter = cases + "sd1-full-diff-and-norms/adapter.safetensors"
    #expect(try Program.run(["merge", "-q", base, adapter, "-o", full]).status == 0)
    let (lora, kohya) = (scratch.file("lora.safetensors"), scratch.file("kohya.safetensors"))
    #expect(try Program.run(["extract", "-q", base, full, "-o", lora, "--rank", "2"]).status == 0)
    let result = try Program.run(["convert", "-q", lora, "--to", "kohya", "--base", base, "-o", kohya])
    #expect(result.status == 0, "\(result.messages)")
    let names = try readTensors(kohya).map(\.name)
    let biases = names.filter { $0.hasSuffix(".diff_b") }.map { $0.dropLast("diff_b".count) }
    #expect(biases.contains { names.contains("\($0)lora_up.weight") })
    for path in [lora, kohya] {
      #expect(try Program.run(["merge", "-q", base, path, "-o", path + ".merged"]).status == 0)
    }
    let weights = ".merged/unet/diffusion_pytorch_model.fp16.safetensors"
    let (one, other) = (try tensorBytes(lora + weights), try tensorBytes(kohya + weights))
    let before = try tensorBytes(base + "/unet/diffusion_pytorch_model.fp16.safetensors")
    #expect(one == other && one != before)
  }

  @Test func theOutputMustBeAFile() throws {
    let result = try Program.run(["extract", Self.base, tuned, "-o", scratch.file("lora")])
    #expect(result.status == 2)
    #expect(result.messages.contains("the extracted adapter of an image or video model is one file"))
    #expect(try scratch.entries() == ["tuned.safetensors"])
  }

  /// Positions that only one layout counts are no change.
  @Test func layoutsOfOneModelAreEqual() throws {
    let folder = fixturesPath() + "/image/cases/bases/sd1-folder"
    for (one, other) in [(folder, Self.base), (Self.base, folder)] {
      let result = try Program.run(["extract", one, other, "-o", scratch.file("lora.safetensors"), "--skip-other"])
      #expect(result.status == 3 && result.messages.contains("[no-change]"), "\(result.messages)")
      #expect(!result.messages.contains("position_ids"))
    }
  }
}
