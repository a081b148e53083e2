import JSONText
import TestSupport
import Testing

/// `safemerge diff` between a file and a folder of one model, as a user runs it.
@Suite struct DiffLayoutTests {
  private static let bases = fixturesPath() + "/image/cases/bases/"

  private func json(_ arguments: String...) throws -> JSONValue {
    let output = try Program.run(["diff", "--json"] + arguments).output
    return try JSONParser.parse(output.span)
  }

  /// The same adapter merged into the file and into the folder, and into one of them alone.
  @Test func mergedModelsAreCompared() throws {
    let scratch = try Scratch()
    let (file, folder) = (Self.bases + "z-image-comfy.safetensors", Self.bases + "z-image-folder")
    let adapter = fixturesPath() + "/image/cases/z-image-comfy-folder/adapter.safetensors"
    for (base, output) in [(file, "merged.safetensors"), (folder, "merged")] {
      let result = try Program.run(["merge", "-q", base, adapter, "-o", scratch.file(output)])
      try #require(result.status == 0, "\(result.messages)")
    }
    let same = try json(scratch.file("merged.safetensors"), scratch.file("merged"))
    #expect(same["different"] == .bool(false), "\(same)")
    #expect(same["respelled"] == same["compared"])
    let result = try Program.run(["diff", file, scratch.file("merged")])
    #expect(
      result.lines.contains {
        $0.hasPrefix("note: matched by the names of image models (Z-Image): ")
          && $0.hasSuffix(" have another name or place in \(scratch.file("merged"))")
      }, "\(result.text)")
    // Both names, one below the other.
    let row = try #require(
      result.lines.firstIndex { $0.hasPrefix("~  ") && $0.contains(".layers.0.attention.qkv.weight[0:") })
    #expect(
      result.lines[row + 1].hasPrefix("   transformer/layers.")
        && result.lines[row + 1].contains("attention.to_q.weight"))
    guard case .array(let tensors)? = try json(file, scratch.file("merged"))["tensors"] else {
      Issue.record("no tensors")
      return
    }
    let part = try #require(tensors.first { $0["left"]?["rows"] != .null })
    #expect(part["left"]?["transposed"] == .bool(false) && part["right"]?["rows"] == .null)
    #expect(part["name"] == part["left"]?["name"] && part["name"] != part["right"]?["name"])
    let lines = try Program.run(["diff", "--format", "tsv", file, scratch.file("merged")]).lines
      .map { $0.split(separator: "\t", omittingEmptySubsequences: false) }
    #expect(lines.allSatisfy { $0.count == 10 && $0[9].hasPrefix("transformer/") })
  }

  /// What one side has alone is a line for each part.
  @Test func partsOfOneSideAreOneLine() throws {
    let result = try Program.run(["diff", Self.bases + "flux-native.safetensors", Self.bases + "flux-folder"])
    let alone = result.lines.filter { $0.hasPrefix("+") }
    #expect(alone.count == 2, "\(result.text)")
    #expect(alone.first?.hasPrefix("+  text_encoder/*") == true && alone.first?.contains("36 tensors") == true)
    #expect(result.lines.last?.contains(", 57 only in ") == true)
  }

  /// Two variants, of two folders and of one.
  @Test func variantsAreCompared() throws {
    let images = fixturesPath() + "/image/"
    let found = try json(images + "pipeline", images + "pipeline-fp16")
    #expect(found["respelled"] == .integer(0))
    let result = try Program.run(["diff", images + "pipeline", images + "pipeline-fp16"])
    #expect(result.status == 0 && result.lines.last?.contains(" 0 only in ") == true, "\(result.text)")
    let pipeline = try TestPipeline(Scratch())
    try pipeline.write(
      [TestPipeline.tensor("decoder.weight", [3, 2], 9)], to: "vae/diffusion_pytorch_model.fp16.safetensors")
    let both = try Program.run(["diff", pipeline.path, pipeline.path, "--variant", "default,fp16"])
    #expect(both.lines.contains { $0.hasPrefix("~  vae/decoder.weight") }, "\(both.text)")
    #expect(both.lines.last?.hasPrefix("1 changed, 7 identical") == true, "\(both.text)")
    for variant in ["default,", "a,b,c", ""] {
      #expect(try Program.run(["diff", pipeline.path, pipeline.path, "--variant", variant]).status == 2)
    }
  }
}
