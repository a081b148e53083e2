import Checksums
import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// What a result that is one file says in its metadata of the merge that made it, and who reads it.
@Suite struct FileProvenanceTests {
  private static let cases = fixturesPath() + "/image/cases"
  private let base = cases + "/bases/sdxl-bf16.safetensors"
  private let adapter = cases + "/sdxl-kohya-text-projection/adapter.safetensors"
  private let other = cases + "/sdxl-diffusers-flat-file/adapter.safetensors"

  private func merge(
    _ base: String, _ adapters: [String], to output: String, _ options: [String] = []
  ) throws -> Program.Result {
    let result = try Program.run(["merge", base] + adapters + ["-o", output] + options)
    try #require(result.status == 0, "\(result.messages)")
    return result
  }

  private func metadata(_ path: String) throws -> [String: String] {
    Dictionary(
      (try SafetensorsHeader(path: path).metadata ?? []).map { ($0.key, $0.value) }
    ) { $1 }
  }

  private func provenance(_ path: String) throws -> JSONValue {
    let text = try #require(try metadata(path)["safemerge"])
    let bytes = Array(text.utf8)
    return try JSONParser.parse(bytes.span)
  }

  private func names(_ value: JSONValue?) -> [JSONValue?] {
    guard case .array(let entries)? = value else { return [] }
    return entries.map { $0["name"] }
  }

  @Test func itSaysWhatWasMadeFromWhat() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged.safetensors")
    _ = try merge(base, [adapter + "=unet:0.8,te:0.5"], to: output)
    let found = try provenance(output)
    #expect(found["safemerge"] == nil && found["schema"] == .integer(1) && found["version"] == .string("0.2.0"))
    #expect(found["base"]?["name"] == .string("sdxl-bf16.safetensors"))
    let bytes = try contents(base)
    let header = Array(bytes[..<(try SafetensorsHeader(path: base).dataStart)])
    #expect(found["base"]?["header_sha256"] == .string(SHA256Checksum(of: header).description))
    #expect(found["base"]?["size"] == .integer(Int64(bytes.count)))
    guard case .array(let adapters)? = found["adapters"], let first = adapters.first else {
      Issue.record("no adapters")
      return
    }
    let weights = try contents(adapter)
    #expect(adapters.count == 1 && first["name"] == .string("adapter.safetensors"))
    #expect(first["sha256"] == .string(SHA256Checksum(of: weights).description))
    #expect(first["size"] == .integer(Int64(weights.count)) && first["weight"] == .string("unet:0.8,te:0.5"))
    #expect(found["options"]?["dtype"] == .string("auto") && found["earlier"] == nil)
    // Nothing of an adapter's training, and no paths.
    let all = try metadata(output)
    #expect(!all.keys.contains { $0.hasPrefix("ss_") })
    #expect(!all.values.contains { $0.contains(scratch.path) || $0.contains(Self.cases) })
    let own = try metadata(base)
    for (key, value) in own where !key.hasPrefix("modelspec.") { #expect(all[key] == value, "\(key)") }
    let listed = try Program.run(["ls", "--metadata", output])
    #expect(listed.text.contains("safemerge={\"schema\":1,"), "\(listed.text)")
    // The dry run knows the size.
    let planned = try Program.run([
      "merge", base, adapter + "=unet:0.8,te:0.5", "-o", scratch.file("x.safetensors"), "-n",
    ])
    #expect(planned.status == 0)
    // The same merge elsewhere gives the same bytes.
    let again = try scratch.folder("elsewhere") + "/result.safetensors"
    _ = try merge(base, [adapter + "=unet:0.8,te:0.5"], to: again)
    #expect(try contents(again) == (try contents(output)))
  }

  @Test func anAdapterThatIsInTheFileIsNotMergedUnnoticed() throws {
    let scratch = try Scratch()
    let (one, two, three) = (
      scratch.file("one.safetensors"), scratch.file("two.safetensors"), scratch.file("three.safetensors")
    )
    #expect(!(try merge(base, [adapter], to: one)).messages.contains("warning"))
    let second = try merge(one, [other], to: two)
    #expect(!second.messages.contains("already merged"), "\(second.messages)")
    let found = try provenance(two)
    #expect(names(found["adapters"]).count == 1 && names(found["earlier"]).count == 1)
    #expect(found["base"]?["name"] == .string("one.safetensors"))
    // Whatever the file of the adapter is called, and whenever it was merged.
    let renamed = try scratch.write(try contents(adapter), to: "renamed.safetensors")
    for (path, adapter) in [(one, adapter), (two, renamed), (two, other)] {
      let result = try merge(path, [adapter], to: three, ["--force"])
      #expect(
        result.messages.contains(
          "warning: \(adapter): is already merged into the base (see the metadata of \(path)); its delta is added twice"
        ),
        "\(result.messages)")
    }
    let events = try Program.run(["merge", one, adapter, "-o", three, "--force", "--json"])
    #expect(events.text.contains("\"already-merged\""), "\(events.text)")
  }

  @Test func theCheckTakesWeightsAndOptionsFromTheFile() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged.safetensors")
    _ = try merge(base, [adapter + "=0.5", other + "=-1"], to: output, ["--dtype", "f16"])
    func check(_ adapters: [String], base: String? = nil) throws -> Program.Result {
      try Program.run(
        ["check", output, "--against", base ?? self.base] + adapters.flatMap { ["--adapter", $0] })
    }
    // In any order: they are known by their content.
    for adapters in [[adapter, other], [other, adapter]] {
      let result = try check(adapters)
      #expect(result.status == 0 && result.lines.last?.hasPrefix("OK: ") == true, "\(result.text)")
      #expect(!result.text.contains("note:"), "\(result.text)")
    }
    // The base may have been renamed.
    let renamed = try scratch.write(try contents(base), to: "renamed.safetensors")
    #expect(try check([adapter, other], base: renamed).status == 0)
    let given = try check([adapter + "=0.25", other])
    #expect(
      given.text.contains("has the weight 0.25, but the metadata of \(output) has 0.5"), "\(given.text)")
    #expect(given.status == 3)
    #expect(try check([adapter]).text.contains("1 adapter given; the metadata of \(output) records 2"))
    // One bit is found, because the bits are known.
    var bytes = try contents(output)
    let header = try SafetensorsHeader(path: output)
    let tensor = try #require(header.tensors.first { $0.name.string.hasSuffix("attn1.to_q.weight") })
    bytes[header.dataStart + tensor.dataOffsets.lowerBound] ^= 1
    try write(bytes, to: output)
    #expect(try check([adapter, other]).status == 3)
  }

  /// A file of unknown origin, and a result of a merge that records nothing.
  @Test func damagedTextsSayNothing() throws {
    let scratch = try Scratch()
    let tensors = try readTensors(base)
    for text in ["", "{", "[]", "{\"schema\":2}", "{\"schema\":1,\"version\":\"x\",\"adapters\":[{}]}"] {
      let path = scratch.file("base.safetensors")
      try writeFile(
        path, tensors, metadata: "{\"format\":\"pt\",\"safemerge\":\"\(text.replacing("\"", with: "\\\""))\"}")
      let output = scratch.file("merged.safetensors")
      let result = try merge(path, [adapter], to: output, ["--force"])
      #expect(!result.messages.contains("already"), "\(result.messages)")
      let found = try provenance(output)
      #expect(names(found["adapters"]).count == 1 && found["earlier"] == nil)
    }
  }

  /// A folder has its record beside the weights.
  @Test func foldersHaveNoneInTheirFiles() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    _ = try merge(basePath("llama-bf16"), [adapterPath("linear-bf16")], to: output)
    #expect(try metadata(output + "/model.safetensors")["safemerge"] == nil)
    // A base that is a file, and an adapter that is a folder.
    let file = scratch.file("merged.safetensors")
    _ = try merge(basePath("llama-bf16") + "/model.safetensors", [adapterPath("linear-bf16")], to: file)
    guard case .array(let adapters)? = try provenance(file)["adapters"] else { throw ProvenanceMissing() }
    #expect(adapters.first?["name"] == .string("adapter"))
    let config = try contents(adapterPath("linear-bf16") + "/adapter_config.json")
    #expect(adapters.first?["config_sha256"] == .string(SHA256Checksum(of: config).description))
    let checked = try Program.run([
      "check", file, "--against", basePath("llama-bf16") + "/model.safetensors", "--adapter",
      adapterPath("linear-bf16"),
    ])
    #expect(checked.status == 0 && !checked.text.contains("note:"), "\(checked.text)")
  }

  private struct ProvenanceMissing: Error {}
}
