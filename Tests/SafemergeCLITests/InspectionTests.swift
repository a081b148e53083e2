import Checksums
import Foundation
import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

@testable import MergeEngine
@testable import Reports
@testable import SafemergeCLI

/// What `safemerge ls` shows beyond the table of tensors.
@Suite struct InspectionTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func file(_ tensors: [TestTensor], _ name: String = "model.safetensors", metadata: String? = nil) throws
    -> String
  {
    try writeFile(scratch.file(name), tensors, metadata: metadata)
    return scratch.file(name)
  }

  private static func bytes(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
  }

  private static func bytes(_ values: [Int64]) -> [UInt8] {
    values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * Int64($0))) } }
  }

  private func cells(_ line: String?) -> [String] {
    (line ?? "").replacing(", ", with: ",").split(separator: " ").map(String.init)
  }

  @Test func statisticsOfEachTensor() throws {
    let file = try file([
      TestTensor("w", .f32, [4], bytes: Self.bytes([1, -2, 0, .nan])), TestTensor("c", .c64, [1]),
    ])
    let table = try Program.run(["ls", file, "--stats", "--jobs", "2"])
    #expect(table.status == 0, "\(table.messages)")
    #expect(table.errors == [])
    #expect(
      cells(table.lines[0]) == ["NAME", "DTYPE", "SHAPE", "SIZE", "MIN", "MAX", "MEAN", "RMS", "ZEROS", "NAN", "INF"])
    #expect(cells(table.lines[1]) == ["c", "C64", "[1]", "8", "B", "-", "-", "-", "-", "-", "-", "-"])
    #expect(cells(table.lines[2]) == ["w", "F32", "[4]", "16", "B", "-2", "1", "-0.3333", "1.291", "1", "1", "0"])
    let tsv = try Program.run(["ls", file, "--stats", "--format", "tsv"]).lines
    #expect(tsv[0].hasSuffix("\tfile\tmin\tmax\tmean\trms\tzeros\tnan\tinf"))
    #expect(tsv[2].hasSuffix("\t-2.0\t1.0\t-0.3333333333333333\t1.2909944487358056\t1\t1\t0"))
    let output = try Program.run(["ls", file, "--stats", "--format", "json"]).output
    let json = try JSONParser.parse(output.span)
    guard case .array(let files)? = json["files"], case .array(let tensors)? = files.first?["tensors"] else {
      Issue.record("no tensors")
      return
    }
    let found = try #require(tensors.first { $0["name"] == .string("w") })
    #expect(found["statistics"]?["min"] == .integer(-2))
    #expect(found["statistics"]?["nan"] == .integer(1))
    #expect(tensors.first { $0["name"] == .string("c") }?["statistics"] == nil)
  }

  @Test func statisticsAreSortedWithTheirTensors() throws {
    let file = try file((0..<30).map { TestTensor("t.\($0)", .f32, [1], bytes: Self.bytes([Float($0)])) })
    let lines = try Program.run(["ls", file, "--stats", "--format", "tsv", "--reverse"]).lines.dropFirst()
    #expect(lines.count == 30)
    for line in lines {
      let cells = line.split(separator: "\t")
      #expect("t.\(Int(Double(cells[5]) ?? -1))" == cells[0])
    }
  }

  @Test func checksums() throws {
    let file = try file([TestTensor("b", .u8, [3], bytes: [1, 2, 3]), TestTensor("a", .u8, [1], bytes: [9])])
    let files = try Program.run(["ls", file, "--hash", "files"])
    #expect(files.lines.last == "sha256 \(SHA256Checksum(of: try contents(file)))  \(file)")
    let tensors = try Program.run(["ls", file, "--hash", "tensors", "--format", "tsv"]).lines
    #expect(tensors[0].hasSuffix("\tfile\tsha256"))
    #expect(tensors[1].hasSuffix("\t\(SHA256Checksum(of: [9]))"))
    #expect(tensors[2].hasSuffix("\t\(SHA256Checksum(of: [1, 2, 3]))"))
    let output = try Program.run(["ls", file, "--hash", "files", "--format", "json"]).output
    let json = try JSONParser.parse(output.span)
    guard case .array(let documents)? = json["files"] else { return }
    #expect(documents.first?["sha256"] == .string(SHA256Checksum(of: try contents(file)).description))
  }

  @Test func headersOfAPipe() throws {
    let file = try file([TestTensor("w", .f32, [4])])
    let result = try Program.run([file], shell: "head -c 200 \"$1\" | \"$0\" ls - --format tsv")
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.lines.last == "w\tF32\t4\t16\t-")
    let cut = try Program.run([file], shell: "head -c 20 \"$1\" | \"$0\" ls -")
    #expect(expectRefusal(cut, status: 3).contains("[truncated]"))
    let nothing = try Program.run(["ls", "-"])
    #expect(expectRefusal(nothing, status: 3).contains("standard input"))
    #expect(try Program.run(["ls", "-", "--stats"]).status == 2)
    #expect(try Program.run(["ls", "-", "-"]).status == 2)
  }

  @Test func metadataAlone() throws {
    let file = try file([TestTensor("w", .u8, [1])], metadata: "{\"format\":\"pt\",\"a\":\"x\\ny\"}")
    #expect(try Program.run(["ls", file, "--metadata"]).lines == ["format=pt", "a=x\\u{a}y"])
    #expect(
      try Program.run(["ls", file, "--metadata", "--format", "tsv"]).lines == [
        "file\tkey\tvalue", "\(file)\tformat\tpt", "\(file)\ta\tx\\u{a}y",
      ])
    #expect(try Program.run(["ls", file, "--metadata", "--format", "names"]).lines == ["format", "a"])
    let output = try Program.run(["ls", file, "--metadata", "--format", "json"]).output
    let json = try JSONParser.parse(output.span)
    guard case .array(let files)? = json["files"] else { return }
    #expect(files.first?["metadata"]?["a"] == .string("x\ny"))
  }

  @Test func shardsAndTheirIndex() throws {
    let folder = basePath("llama-bf16-sharded")
    let lines = try Program.run(["ls", folder, "--shards"]).lines
    #expect(cells(lines[0]) == ["FILE", "TENSORS", "PARAMETERS", "HEADER", "SIZE"])
    #expect(lines.count == 6)
    #expect(lines.last?.contains("model.safetensors.index.json matches the shards, total_size is correct") == true)
  }

  @Test func foldersWhoseIndexDoesNotFitAreShownAndRefused() throws {
    let folder = try scratch.folder("broken")
    let shards = (1...2).map { (name: "s\($0).safetensors", tensors: [TestTensor("w\($0)", .u8, [1])]) }
    for shard in shards { try writeFile("\(folder)/\(shard.name)", shard.tensors) }
    try writeIndex(folder, [(shards[0].name, shards[0].tensors + shards[1].tensors), (shards[1].name, [])])
    let result = try Program.run(["ls", folder, "--format", "names"])
    #expect(result.status == 3)
    #expect(result.lines == ["w1", "w2"])
    #expect(result.messages.contains("error: "))
    try writeIndex(folder, shards + [("gone.safetensors", [TestTensor("w3", .u8, [1])])])
    let missing = try Program.run(["ls", folder, "--format", "names"])
    #expect(missing.status == 3)
    #expect(missing.lines == ["w1", "w2"])
    #expect(missing.messages.contains("gone.safetensors"))
  }

  @Test func aWrongTotalSizeIsSaid() throws {
    let folder = try scratch.folder("size")
    let tensors = [TestTensor("w", .u8, [1])]
    try writeFile("\(folder)/s.safetensors", tensors)
    try write(
      Array("{\"metadata\":{\"total_size\":7},\"weight_map\":{\"w\":\"s.safetensors\"}}".utf8),
      to: folder + "/model.safetensors.index.json")
    let result = try Program.run(["ls", folder])
    #expect(result.status == 0)
    #expect(result.messages.contains("total_size in model.safetensors.index.json is 7, but the tensors have 1 bytes"))
  }

  @Test func modulesMeetTheirBase() throws {
    let adapter = adapterPath("linear-bf16")
    let result = try Program.run(["ls", adapter, "--base", basePath("llama-bf16")])
    #expect(result.status == 0, "\(result.messages)")
    #expect(cells(result.lines[0]).last == "BASE")
    let rows = result.lines.dropFirst().dropLast()
    #expect(rows.count == 14)
    for row in rows { #expect(cells(row).last == "\(cells(row)[0]).weight") }
    let output = try Program.run(["ls", adapter, "--base", basePath("llama-bf16"), "--format", "json"]).output
    let json = try JSONParser.parse(output.span)
    guard case .array(let adapters)? = json["adapters"], case .array(let modules)? = adapters.first?["modules"],
      case .string(let module)? = modules.first?["module"]
    else {
      Issue.record("no modules")
      return
    }
    #expect(modules.first?["base_tensors"] == .array([.string("\(module).weight")]))
    let other = try Program.run(["ls", adapter, "--base", basePath("gpt2-bf16")])
    #expect(other.status == 3)
    #expect(other.lines.count == 16)
    #expect(other.messages.contains("error: "))
  }

  private static let state = Array("{\"shape\": [6, 8], \"blocksize\": 64}".utf8)

  /// One of each layout, and what they become.
  static let quantized: [(tensors: [TestTensor], row: [String])] = [
    (
      [TestTensor("a.weight", .f8E4M3, [200, 256]), TestTensor("a.weight_scale_inv", .f32, [2, 2])],
      ["a.weight", "FP8", "128x128", "[200,256]"]
    ),
    (
      [
        TestTensor("a.weight", .f8E4M3, [4, 2]), TestTensor("a.weight_scale", .f32, []),
        TestTensor("a.input_scale", .f32, []),
      ], ["a.weight", "FP8", "per", "tensor", "[4,2]"]
    ),
    (
      [TestTensor("a.weight", .f8E4M3, [4, 2]), TestTensor("a.weight_scale", .bf16, [4, 1])],
      ["a.weight", "FP8", "per", "row", "[4,2]"]
    ),
    (
      [
        TestTensor("a.weight", .u8, [24, 1]), TestTensor("a.weight.absmax", .u8, [1]),
        TestTensor("a.weight.quant_map", .f32, [16]), TestTensor("a.weight.nested_absmax", .f32, [1]),
        TestTensor("a.weight.nested_quant_map", .f32, [256]),
        TestTensor("a.weight.quant_state.bitsandbytes__nf4", .u8, [state.count], bytes: state),
      ], ["a.weight", "NF4", "[6,8]"]
    ),
    (
      [TestTensor("a.weight", .i8, [4, 2]), TestTensor("a.SCB", .f32, [4]), TestTensor("a.weight_format", .u8, [])],
      ["a.weight", "LLM.int8", "[4,2]"]
    ),
    (
      [
        TestTensor("a.qweight", .i32, [8, 16]), TestTensor("a.qzeros", .i32, [2, 2]),
        TestTensor("a.scales", .f16, [2, 16]), TestTensor("a.g_idx", .i32, [64]),
      ], ["a.weight", "GPTQ", "4-bit", "[16,64]"]
    ),
    (
      [
        TestTensor("a.qweight", .i32, [64, 2]), TestTensor("a.qzeros", .i32, [2, 2]),
        TestTensor("a.scales", .f16, [2, 16]),
      ], ["a.weight", "AWQ", "4-bit", "[16,64]"]
    ),
    (
      [TestTensor("a.up_blocks", .u8, [3, 4, 2, 16]), TestTensor("a.up_scales", .u8, [3, 4, 2])],
      ["a.up", "MXFP4", "[3,64,4]"]
    ),
    (
      [
        TestTensor("a.weight_packed", .i32, [4, 8]), TestTensor("a.weight_scale", .bf16, [4, 2]),
        TestTensor("a.weight_shape", .i64, [2], bytes: bytes([4, 64] as [Int64])),
      ], ["a.weight", "INT4", "packed", "[4,64]"]
    ),
    (
      [
        TestTensor("a.weight_packed", .u8, [4, 32]), TestTensor("a.weight_scale", .f8E4M3, [4, 4]),
        TestTensor("a.weight_global_scale", .f32, [1]),
      ], ["a.weight", "NVFP4", "[4,64]"]
    ),
    // modelopt, whose codes have the weight's own name.
    (
      [
        TestTensor("a.weight", .u8, [4, 32]), TestTensor("a.weight_scale", .f8E4M3, [4, 4]),
        TestTensor("a.weight_scale_2", .f32, []), TestTensor("a.input_scale", .f32, []),
      ], ["a.weight", "NVFP4", "[4,64]"]
    ),
    // DeepSeek-V4's experts.
    (
      [TestTensor("a.weight", .i8, [4, 32]), TestTensor("a.scale", .f8E8M0, [4, 2])],
      ["a.weight", "MXFP4", "[4,64]"]
    ),
    (
      [
        TestTensor("a.weight", .f8E4M3, [4, 2]), TestTensor("a.qscale_weight", .f32, []),
        TestTensor("a.qscale_act", .f32, []),
      ],
      ["a.weight", "FP8", "per", "tensor", "[4,2]"]
    ),
    (
      [
        TestTensor("experts.down_proj", .f8E4M3, [3, 256, 64]),
        TestTensor("experts.down_proj_scale_inv", .f32, [3, 2, 1]),
      ], ["experts.down_proj", "FP8", "128x64", "[3,256,64]"]
    ),
    // NF4 that is kept as BF16.
    (
      [
        TestTensor("a.weight", .bf16, [12, 1]), TestTensor("a.weight.absmax", .f32, [1]),
        TestTensor("a.weight.quant_map", .f32, [16]),
        TestTensor("a.weight.quant_state.bitsandbytes__nf4", .u8, [state.count], bytes: state),
      ], ["a.weight", "NF4", "[6,8]"]
    ),
    // AWQ with rows of words, as gemv has them, and with nibbles of words, as gemv_fast has them.
    (
      [
        TestTensor("a.qweight", .i32, [16, 32]), TestTensor("a.qzeros", .i32, [16, 1]),
        TestTensor("a.scales", .f16, [16, 8]),
      ], ["a.weight", "AWQ", "4-bit", "gemv", "[16,256]"]
    ),
    (
      [
        TestTensor("a.qweight", .i16, [4, 256]), TestTensor("a.qzeros", .f16, [8, 16]),
        TestTensor("a.scales", .f16, [8, 16]),
      ], ["a.weight", "AWQ", "4-bit", "gemv_fast", "[16,256]"]
    ),
    // GPTQ of 3 bits: 32 codes in three words.
    (
      [
        TestTensor("a.qweight", .i32, [6, 32]), TestTensor("a.qzeros", .i32, [1, 3]),
        TestTensor("a.scales", .f16, [1, 32]),
      ], ["a.weight", "GPTQ", "3-bit", "[32,64]"]
    ),
    // torchao without the metadata that describes it, and quanto.
    (
      [TestTensor("a._weight_qdata", .f8E4M3, [4, 6]), TestTensor("a._weight_scale", .f32, [4, 1])],
      ["a.weight", "torchao", "Float8", "[4,6]"]
    ),
    (
      [
        TestTensor("a.weight._data", .i8, [4, 6]), TestTensor("a.weight._scale", .bf16, [4, 1]),
        TestTensor("a.input_scale", .bf16, []), TestTensor("a.output_scale", .bf16, []),
      ], ["a.weight", "quanto", "int8", "[4,6]"]
    ),
    // MLX: the bits of integers stand in config.json, those of MXFP4 follow from the scales.
    (
      [TestTensor("a.weight", .u32, [4, 8]), TestTensor("a.scales", .u8, [4, 2])],
      ["a.weight", "MLX", "MXFP4", "[4,64]"]
    ),
    (
      [
        TestTensor("a.trellis", .i16, [4, 2, 48]), TestTensor("a.suh", .f16, [64]), TestTensor("a.svh", .f16, [32]),
      ], ["a.weight", "EXL3", "3-bit", "[32,64]"]
    ),
    (
      [
        TestTensor("a.codes", .i16, [32, 8, 1]), TestTensor("a.codebooks", .f16, [1, 256, 1, 8]),
        TestTensor("a.scales", .f16, [32, 1, 1, 1]),
      ], ["a.weight", "AQLM", "[32,64]"]
    ),
  ]

  @Test(arguments: quantized.indices) func quantizedWeightsAreOneRow(_ number: Int) throws {
    let (tensors, row) = Self.quantized[number]
    let file = try file(tensors + [TestTensor("norm.weight", .f32, [4])])
    let lines = try Program.run(["ls", file, "--bytes"]).lines
    #expect(lines.count == 4)
    #expect(cells(lines[1]).dropLast() == row[...])
    #expect(cells(lines[1]).last == NumberText.grouped(tensors.reduce(0) { $0 + $1.bytes.count }))
    #expect(lines.last?.contains("; 1 quantized weight, one row each; ") == true)
    // Every view counts the weight, not its codes and scales.
    let shape = row.last?.dropFirst().dropLast().split(separator: ",").compactMap { Int($0) } ?? []
    let parameters = "\(NumberText.grouped(shape.reduce(1, *) + 4)) parameters"
    #expect(lines.last?.contains(", \(parameters), ") == true, "\(lines)")
    let tree = try Program.run(["ls", file, "--tree"]).lines
    #expect(tree.last?.contains(", \(parameters), ") == true, "\(tree)")
    #expect(try Program.run(["ls", file, "--summary"]).text.contains(", \(parameters), "))
    let shards = try Program.run(["ls", file, "--shards", "--format", "tsv"]).lines[1].split(separator: "\t")
    #expect(shards[2] == "\(shape.reduce(1, *) + 4)")
    let raw = try Program.run(["ls", file, "--raw"]).lines
    #expect(raw.count == tensors.count + 3)
    let output = try Program.run(["ls", file, "--format", "json"]).output
    let json = try JSONParser.parse(output.span)
    guard case .array(let groups)? = json["quantized"], case .array(let parts)? = groups.first?["parts"] else {
      Issue.record("no groups")
      return
    }
    #expect(groups.first?["name"] == .string(row[0]))
    #expect(json["total"]?["parameters"] == .integer(Int64(shape.reduce(1, *) + 4)))
    #expect(Set(parts.map { "\($0)" }) == Set(tensors.map { "\(JSONValue.string($0.name))" }))
  }

  @Test func tensorsThatDoNotFitEachOtherStayAlone() throws {
    let file = try file([
      TestTensor("a.weight", .f32, [4, 2]), TestTensor("a.weight_scale", .f32, [1]),
      TestTensor("b.qweight", .i32, [3, 5]), TestTensor("b.qzeros", .i32, [2, 2]),
      TestTensor("b.scales", .f16, [2, 7]),
      TestTensor("c_blocks", .u8, [2, 15]), TestTensor("c_scales", .u8, [2]),
    ])
    #expect(try Program.run(["ls", file]).lines.count == 9)
  }

  @Test func colorsOnlyWhereWanted() throws {
    let file = try file([TestTensor("w", .u8, [1])])
    let marked = "\u{1b}[1mNAME\u{1b}[0m"
    #expect(!(try Program.run(["ls", file]).text.contains("\u{1b}")))
    #expect(try Program.run(["ls", file, "--color", "always"]).text.hasPrefix(marked))
    #expect(try Program.run(["ls", file], environment: ["CLICOLOR_FORCE": "1"]).text.hasPrefix(marked))
    let both = ["CLICOLOR_FORCE": "1", "NO_COLOR": "1"]
    #expect(!(try Program.run(["ls", file], environment: both).text.contains("\u{1b}")))
    #expect(!(try Program.run(["ls", file, "--color", "always", "--format", "tsv"]).text.contains("\u{1b}")))
    #expect(ColorMode.auto.isOn(isTerminal: true, environment: [:]))
    #expect(!ColorMode.auto.isOn(isTerminal: true, environment: ["TERM": "dumb"]))
    #expect(!ColorMode.auto.isOn(isTerminal: true, environment: ["CLICOLOR": "0"]))
    #expect(ColorMode.auto.isOn(isTerminal: true, environment: ["NO_COLOR": ""]))
    #expect(!ColorMode.never.isOn(isTerminal: true, environment: ["CLICOLOR_FORCE": "1"]))
  }

  @Test(
    arguments: [
      (0, "0"), (1, "1"), (-1.5, "-1.5"), (0.020012, "0.02001"), (3.4028e38, "3.403e+38"), (123456, "123500"),
      (1e-5, "1e-05"), (0.99996, "1"), (1234.5, "1235"), (0.00012346, "0.0001235"), (.infinity, "inf"),
    ] as [(Double, String)])
  func shortNumbers(_ value: Double, _ text: String) { #expect(NumberText.short(value) == text) }
}
