import Checksums
import Foundation
import Platform
import Safetensors
import TestSupport
import Testing

/// `.safemerge.json`, `--checksums` and `--verify`.
@Suite struct ProvenanceTests {
  private static let base = basePath("llama-bf16-sharded")
  private static let adapter = adapterPath("linear-bf16")

  private struct Text: Decodable {
    struct File: Decodable {
      let role: String?
      let name: String
      let size: Int
      let headerSha256: String?
      let sha256: String?
    }

    let safemerge: String
    let options: [String: String]
    let inputs: [File]
    let files: [File]

    init(_ folder: String) throws {
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      self = try decoder.decode(Text.self, from: Data(try contents(folder + "/.safemerge.json")))
    }
  }

  @Test(arguments: [[], ["--checksums"], ["--verify", "read"]]) func itSaysWhatWasMadeFromWhat(options: [String]) throws
  {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let result = try Program.run(["merge", Self.base, Self.adapter, "-o", output] + options)
    #expect(result.status == 0, "\(result.messages)")
    let text = try Text(output)
    #expect(text.safemerge == "0.2.0")
    #expect(text.options["arithmetic"] == "exact")
    let (listed, written) = (text.files.map(\.name).sorted(), try model(output).keys.sorted())
    #expect(listed == written, "every file but itself is listed")
    for file in text.files {
      let bytes = try contents(output + "/" + file.name)
      #expect(file.size == bytes.count, "\(file.name)")
      let isWeights = file.name.hasSuffix(".safetensors")
      let expected: String? = isWeights && options.isEmpty ? nil : SHA256Checksum(of: bytes).description
      #expect(file.sha256 == expected, "\(file.name)")
      guard isWeights else { continue }
      let header = Array(bytes[..<(try SafetensorsHeader(path: output + "/" + file.name).dataStart)])
      let headerChecksum = SHA256Checksum(of: header).description
      #expect(file.headerSha256 == headerChecksum)
    }
    let bases = text.inputs.filter { $0.role == "base" }
    #expect(bases.count == 4)
    for input in text.inputs {
      let folder = input.role == "adapter 1" ? Self.adapter : Self.base
      let checksum = SHA256Checksum(of: try contents(folder + "/" + input.name)).description
      let expected: String? = input.role == "base" && options.isEmpty ? nil : checksum
      #expect(input.sha256 == expected, "\(input.name)")
    }
  }

  /// The same inputs elsewhere give the same bytes: no path, no time, no name of the machine.
  @Test func itDependsOnTheInputsAlone() throws {
    let scratch = try Scratch()
    #expect(try Program.run(["merge", Self.base, Self.adapter, "-o", scratch.file("one")]).status == 0)
    let base = try copyOfFixture("bases/llama-bf16-sharded", in: scratch, as: "copy of base")
    let adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "other")
    let other = try Program.run(
      ["merge", base, adapter, "-o", scratch.file("two"), "-j", "3", "--reflink", "never"],
      environment: ["TZ": "Asia/Tokyo", "LC_ALL": "de_DE.UTF-8", "SAFEMERGE_SIMD": "portable"])
    #expect(other.status == 0, "\(other.messages)")
    #expect(try contents(scratch.file("one/.safemerge.json")) == contents(scratch.file("two/.safemerge.json")))
    let text = String(decoding: try contents(scratch.file("one/.safemerge.json")), as: UTF8.self)
    #expect(!text.contains("/") && !text.contains(Machine.hostName))
  }

  /// A result is a base like any other: its `.safemerge.json` is not copied on.
  @Test func itIsNotCopiedFromABase() throws {
    let scratch = try Scratch()
    #expect(try Program.run(["merge", Self.base, Self.adapter, "-o", scratch.file("one")]).status == 0)
    try write(Array("{}".utf8), to: scratch.file("one/.safemerge.json"))
    let result = try Program.run(["merge", scratch.file("one"), Self.adapter, "-o", scratch.file("two"), "-v"])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.messages.contains("skip      .safemerge.json"))
    let text = try Text(scratch.file("two"))
    #expect(text.safemerge == "0.2.0")
    // It is a part of a model, which --force replaces.
    let forced = try Program.run(["merge", Self.base, Self.adapter, "-o", scratch.file("two"), "--force"])
    #expect(forced.status == 0, "\(forced.messages)")
    #expect(try Program.run(["ls", scratch.file("two")]).status == 0)
  }

  @Test func singleFilesHaveNone() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged.safetensors")
    let result = try Program.run(
      ["merge", basePath("llama-bf16") + "/model.safetensors", Self.adapter, "-o", output, "--verify", "read"])
    #expect(result.status == 0, "\(result.messages)")
    #expect(try scratch.entries() == ["merged.safetensors"])
  }
}
