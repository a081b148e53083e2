import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// `safemerge ls`.
@Suite struct ListTests {
  private let scratch: Scratch
  private let file: String

  init() throws {
    scratch = try Scratch()
    file = scratch.file("model.safetensors")
    try writeFile(
      file,
      [
        TestTensor("layers.10.w", .f32, [16, 1024]), TestTensor("layers.2.w", .bf16, [3, 4]),
        TestTensor("a.b", .u8, [7]), TestTensor("scalar", .i64, []), TestTensor("none", .f16, [0, 5]),
      ], metadata: "{\"format\":\"pt\",\"note\":\"a\\nb\"}")
  }

  private func names(_ arguments: [String]) throws -> [String] {
    let result = try Program.run(["ls", file, "--format", "names"] + arguments)
    #expect(result.status == 0, "\(result.messages)")
    return result.lines
  }

  @Test func tableIsAligned() throws {
    let result = try Program.run(["ls", file])
    #expect(result.status == 0)
    #expect(result.errors == [])
    #expect(
      result.lines == [
        "NAME         DTYPE  SHAPE           SIZE",
        "a.b          U8     [7]              7 B",
        "layers.2.w   BF16   [3, 4]          24 B",
        "layers.10.w  F32    [16, 1024]  64.0 KiB",
        "none         F16    [0, 5]           0 B",
        "scalar       I64    []               8 B",
        "5 tensors, 16,404 parameters, 64.0 KiB",
      ])
  }

  @Test func sizesInBytes() throws {
    let lines = try Program.run(["ls", file, "--bytes"]).lines
    #expect(lines.contains("layers.10.w  F32    [16, 1024]  65,536"))
    #expect(lines.last == "5 tensors, 16,404 parameters, 65,575")
  }

  @Test func tsvHasOneLineATensor() throws {
    #expect(
      try Program.run(["ls", file, "--format", "tsv"]).lines == [
        "name\tdtype\tshape\tbytes\tfile", "a.b\tU8\t7\t7\t\(file)", "layers.2.w\tBF16\t3,4\t24\t\(file)",
        "layers.10.w\tF32\t16,1024\t65536\t\(file)", "none\tF16\t0,5\t0\t\(file)", "scalar\tI64\t\t8\t\(file)",
      ])
  }

  @Test func jsonCarriesEverything() throws {
    let result = try Program.run(["ls", file, basePath("llama-bf16-sharded"), "--format", "json"])
    #expect(result.status == 0)
    #expect(result.output.last == UInt8(ascii: "\n"))
    let document = try JSONParser.parse(result.output.span)
    #expect(document["schema"] == .integer(1))
    guard case .array(let files)? = document["files"] else {
      Issue.record("no files")
      return
    }
    let folder = basePath("llama-bf16-sharded")
    let paths = [file] + (1...4).map { "\(folder)/model-0000\($0)-of-00004.safetensors" }
    #expect(files.map { $0["path"] } == paths.map(JSONValue.string))
    var sums = (tensors: Int64(0), parameters: Int64(0), bytes: Int64(0))
    for (path, entry) in zip(paths, files) {
      let header = try SafetensorsHeader(path: path)
      #expect(entry["header_bytes"] == .integer(Int64(header.headerByteCount)))
      let metadata = header.metadata.map { entries in
        JSONValue.object(entries.map { JSONMember(key: $0.key, value: .string($0.value)) })
      }
      #expect(entry["metadata"] == metadata ?? .null)
      guard case .array(let tensors)? = entry["tensors"] else {
        Issue.record("no tensors")
        return
      }
      #expect(tensors.count == header.tensors.count)
      for tensor in header.tensors {
        let found = tensors.first { $0["name"] == .string(tensor.name.string) }
        func integers(_ values: [Int]) -> JSONValue { .array(values.map { .integer(Int64($0)) }) }
        #expect(found?["dtype"] == .string(tensor.dtype.name))
        #expect(found?["shape"] == integers(tensor.shape))
        let offsets = tensor.dataOffsets
        #expect(found?["data_offsets"] == integers([offsets.lowerBound, offsets.upperBound]))
        #expect(found?["file_offset"] == .integer(Int64(header.dataStart + offsets.lowerBound)))
        sums.tensors += 1
        sums.parameters += Int64(tensor.elementCount)
        sums.bytes += Int64(tensor.byteCount)
      }
    }
    #expect(document["total"]?["tensors"] == .integer(sums.tensors))
    #expect(document["total"]?["parameters"] == .integer(sums.parameters))
    #expect(document["total"]?["bytes"] == .integer(sums.bytes))
    #expect(document["adapters"] == nil)
  }

  @Test func namesAreSortedAsPeopleCount() throws {
    let natural = ["a.b", "layers.2.w", "layers.10.w", "none", "scalar"]
    #expect(try names([]) == natural)
    #expect(try names(["--sort", "name"]) == natural)
    #expect(try names(["--reverse"]) == natural.reversed())
    #expect(try names(["-r", "--sort", "name"]) == natural.reversed())
  }

  @Test func sortsByOtherColumns() throws {
    #expect(try names(["--sort", "size"]) == ["none", "a.b", "scalar", "layers.2.w", "layers.10.w"])
    #expect(try names(["--sort", "size", "-r"]).first == "layers.10.w")
    #expect(try names(["--sort", "dtype"]) == ["a.b", "none", "layers.2.w", "layers.10.w", "scalar"])
    let offsets = try names(["--sort", "offset"])
    #expect(offsets.filter { $0 != "none" } == ["layers.10.w", "layers.2.w", "a.b", "scalar"])
  }

  @Test func filtersByName() throws {
    #expect(try names(["--include", "layers.*"]) == ["layers.2.w", "layers.10.w"])
    #expect(try names(["--include", "*.w", "--include", "none"]) == ["layers.2.w", "layers.10.w", "none"])
    #expect(try names(["--exclude", "*.w", "--exclude", "s*"]) == ["a.b", "none"])
    #expect(try names(["--include", "l*", "--exclude", "*10*"]) == ["layers.2.w"])
    #expect(try names(["--include=layers.[0-9].?"]) == ["layers.2.w"])
    let table = try Program.run(["ls", file, "--include", "layers.*"])
    #expect(table.lines.last == "2 of 5 tensors, 16,396 parameters, 64.0 KiB")
  }

  @Test func summarySaysWhatAPathIs() throws {
    let result = try Program.run(["ls", "--summary", file, basePath("llama-bf16-sharded"), adapterPath("linear-bf16")])
    #expect(result.status == 0)
    let lines = result.lines
    #expect(lines.first == "\(file)  1 file, 5 tensors, 16,404 parameters, 65,575 bytes of data")
    #expect(lines.contains("  F32  1 tensors  16,384 parameters"))
    #expect(lines.contains("  metadata  format=pt, note=a\\u{a}b"))
    let sharded = basePath("llama-bf16-sharded") + "  4 shards, 21 tensors, 22,716 parameters"
    #expect(lines.contains { $0.hasPrefix(sharded) })
    let adapter = adapterPath("linear-bf16") + "  LoRA  r=4 alpha=7 scaling=1.75  14 modules"
    #expect(lines.contains { $0.hasPrefix(adapter) })
    #expect(lines.contains { $0.contains("down_proj") && $0.contains("base: bases/llama-bf16") })
  }

  @Test func severalPathsAreListedOneAfterTheOther() throws {
    let other = scratch.file("other.safetensors")
    try writeFile(other, [TestTensor("layers.3.w", .u8, [1])])
    let one = try Program.run(["ls", file]).lines
    let two = try Program.run(["ls", other]).lines
    #expect(two == ["NAME        DTYPE  SHAPE  SIZE", "layers.3.w  U8     [1]     1 B", "1 tensor, 1 parameter, 1 B"])
    #expect(try Program.run(["ls", file, other]).lines == [file] + one + ["", other] + two)
    let shards = try Program.run(["ls", "--shards", file, other]).lines
    #expect(shards.count { $0.hasPrefix("FILE ") } == 2 && shards.contains(""))
    // Other programs get one list.
    #expect(try Program.run(["ls", "--format", "names", file, other]).lines.count == 6)
  }

  @Test(arguments: [[], ["--tree"], ["--format", "names"], ["--format", "json"]])
  func globsThatMatchNothingAreNamed(options: [String]) throws {
    let result = try Program.run(["ls", file, "--include", "layers", "--exclude", "x"] + options)
    #expect(result.status == 1)
    #expect(result.messages.contains("warning: no tensor matches --include 'layers' --exclude 'x'\n"))
    #expect(try Program.run(["ls", file, "--include", "layers.*"] + options).status == 0)
  }

  @Test func shardsAreOneTable() throws {
    let result = try Program.run(["ls", basePath("llama-bf16-sharded")])
    #expect(result.status == 0)
    #expect(result.lines.count == 23)
    #expect(result.lines.contains { $0.contains("model.norm.weight") && $0.hasSuffix("-of-00004.safetensors") })
    let index = try Program.run(["ls", basePath("llama-bf16-sharded") + "/model.safetensors.index.json"])
    #expect(index.output == result.output)
  }

  @Test func adapterIsFoldedIntoModules() throws {
    let result = try Program.run(["ls", adapterPath("patterns-f32")])
    #expect(result.status == 0)
    let header = result.lines.first?.split(separator: " ")
    #expect(header == ["MODULE", "RANK", "ALPHA", "SCALING", "IN", "OUT", "DTYPE", "SIZE"])
    #expect(result.lines.last?.contains("modules, ") == true)
    #expect(!result.text.contains("lora_A"))
    let bias = try Program.run(
      ["ls", adapterPath("lora-bias-bf16"), "--bytes", "--include", "*layers.0.self_attn.k_proj*"])
    let row = try #require(bias.lines.first { $0.hasPrefix("model.layers.0.self_attn.k_proj ") })
    // r 4, alpha 10, 4 x 36 and 12 x 4 elements and a bias of 12.
    #expect(row.split(separator: " ").dropFirst() == ["4", "10", "2.5", "36", "12", "F32", "\((144 + 48 + 12) * 4)"])
    #expect(bias.lines.last?.hasPrefix("1 of 6 modules") == true)
    let json = try Program.run(["ls", adapterPath("rslora-f32"), "--format", "json"])
    let document = try JSONParser.parse(json.output.span)
    guard case .array(let adapters)? = document["adapters"],
      case .array(let modules)? = adapters.first?["modules"]
    else {
      Issue.record("no modules")
      return
    }
    #expect(adapters.first?["path"] == .string(adapterPath("rslora-f32")))
    #expect(modules.allSatisfy { $0["rank"] == .integer(8) && $0["scaling"] != nil && $0["alpha"] != nil })
    #expect(document["files"] != nil)
  }

  /// What replaces tensors has no modules.
  @Test(arguments: ["ln_tuning/rms", "trainable_tokens/list"]) func anAdapterWithoutModulesIsListedAsTensors(
    name: String
  ) throws {
    let result = try Program.run(["ls", fixturesPath() + "/\(name)/f32/adapter"])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.lines.first?.hasPrefix("NAME ") == true, "\(result.text)")
    #expect(result.lines.count > 2 && result.lines.last?.contains("0 ") == false, "\(result.text)")
  }

  @Test func adapterThatCannotBeFoldedIsShownAsTensors() throws {
    let result = try Program.run(["ls", adapterPath("refused-alora-bf16")])
    #expect(result.status == 0)
    #expect(result.messageLines.count == 1)
    #expect(result.messages.hasPrefix("warning: "))
    #expect(result.text.contains("lora_A.weight"))
  }

  static let hostileNames = [
    "\\u001b[2J", "a\\nb", "\\r", "\\t", "\\u007f", "\\u009b", "\\u202e", "\\u2066", "\\u2028", "\\u200f",
  ]

  @Test(arguments: ["table", "json", "tsv", "names"]) func hostileNamesAreEscaped(format: String) throws {
    let hostile = scratch.file("hostile.safetensors")
    try writeFile(
      hostile, Self.hostileNames.map { TestTensor("w\($0)", .u8, [1]) }, metadata: "{\"k\\u001b\":\"v\\u202e\"}")
    let result = try Program.run(["ls", hostile, "--format", format])
    #expect(result.status == 0)
    let text = format == "tsv" ? result.text.replacing("\t", with: " ") : result.text
    #expect(rawControls(text) == [])
    if format == "json" {
      let document = try JSONParser.parse(result.output.span)
      guard case .array(let files)? = document["files"], case .array(let tensors)? = files.first?["tensors"] else {
        Issue.record("no tensors")
        return
      }
      let expected = try SafetensorsHeader(path: hostile).tensors.map { JSONValue.string($0.name.string) }
      #expect(Set(tensors.compactMap { $0["name"] }.map { "\($0)" }) == Set(expected.map { "\($0)" }))
    } else {
      #expect(result.lines.count == Self.hostileNames.count + (format == "table" ? 2 : format == "tsv" ? 1 : 0))
      for name in ["w\\u{1b}[2J", "wa\\u{a}b", "w\\u{202e}", "w\\u{9b}"] { #expect(result.text.contains(name)) }
    }
    #expect(rawControls(try Program.run(["ls", hostile, "--summary"]).text) == [])
  }

  @Test func hostilePathsAreEscaped() throws {
    let result = try Program.run(["ls", "no\u{1b}[31m\nsuch\u{202e}"])
    #expect(result.messageLines.count == 1)
    #expect(rawControls(result.messages) == [])
    #expect(result.messages.contains("no\\u{1b}[31m\\u{a}such\\u{202e}"))
  }

  @Test func failuresDoNotHideTheRest() throws {
    let result = try Program.run(["ls", "--format", "names", "/no/such/file", file])
    #expect(result.status == 3 || result.status == 4)
    #expect(result.messageLines.count == 1)
    #expect(result.lines.count == 5)
  }

  @Test func foldersWithoutWeightsAreRefused() throws {
    let folder = try scratch.folder("empty")
    expectRefusal(try Program.run(["ls", folder]), status: 3)
    try write([0x80], to: folder + "/pytorch_model.bin")
    #expect(expectRefusal(try Program.run(["ls", folder]), status: 3).contains("[pickle]"))
  }

  @Test func folderOfOtherFilesIsListedWithAWarning() throws {
    let folder = try scratch.folder("others")
    for name in ["a", "b"] { try writeFile("\(folder)/\(name).safetensors", [TestTensor("w\(name)", .u8, [1])]) }
    let result = try Program.run(["ls", folder, "--format", "names"])
    #expect(result.status == 0)
    #expect(result.lines == ["wa", "wb"])
    #expect(result.messages.hasPrefix("warning: "))
  }
}
