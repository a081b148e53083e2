import Foundation
import Safetensors
import TestSupport
import Testing

/// Input made to harm: special files in the place of each input, bombs, names that write to the terminal, and paths that lead
/// away. Every row ends in seconds with one line and nothing written.
@Suite(.serialized) struct HostileInputTests {
  enum Kind: String, CaseIterable {
    case fifo, socket, folder, device, toFifo, toFolder, dangling, loop
    /// What may be there later, or looks the same, is an input/output error.
    var isMissing: Bool { self == .dangling || self == .loop }
  }

  enum Place: String, CaseIterable {
    case base, shard, index, config, adapterWeights, adapterConfig, sideFile
  }

  private static func put(_ kind: Kind, at path: String, in scratch: Scratch) throws {
    let manager = FileManager.default
    try? manager.removeItem(atPath: path)
    switch kind {
    case .fifo: #expect(mkfifo(path, 0o600) == 0)
    case .socket: close(try bindSocket(path))
    case .folder: try manager.createDirectory(atPath: path, withIntermediateDirectories: false)
    case .device: try manager.createSymbolicLink(atPath: path, withDestinationPath: "/dev/zero")
    case .toFifo:
      if !manager.fileExists(atPath: scratch.file("fifo")) { #expect(mkfifo(scratch.file("fifo"), 0o600) == 0) }
      try manager.createSymbolicLink(atPath: path, withDestinationPath: scratch.file("fifo"))
    case .toFolder: try manager.createSymbolicLink(atPath: path, withDestinationPath: scratch.path)
    case .dangling: try manager.createSymbolicLink(atPath: path, withDestinationPath: "nothing")
    case .loop: try manager.createSymbolicLink(atPath: path, withDestinationPath: path)
    }
  }

  @Test(arguments: Place.allCases, Kind.allCases)
  func specialFilesAreRefusedAtOnce(place: Place, kind: Kind) throws {
    let scratch = try Scratch()
    let base = try copyOfFixture("bases/llama-bf16-sharded", in: scratch, as: "base")
    let adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
    var baseArgument = base
    let path: String
    switch place {
    case .base:
      path = scratch.file("model.safetensors")
      baseArgument = path
    case .shard: path = base + "/model-00001-of-00004.safetensors"
    case .index: path = base + "/model.safetensors.index.json"
    case .config: path = base + "/config.json"
    case .adapterWeights: path = adapter + "/adapter_model.safetensors"
    case .adapterConfig: path = adapter + "/adapter_config.json"
    case .sideFile: path = base + "/tokenizer.json"
    }
    // A folder in the place of a base is a base.
    if place == .base, kind == .folder || kind == .toFolder { return }
    // And a folder of the base goes along, whatever its name.
    if place == .sideFile, kind == .folder { return }
    try Self.put(kind, at: path, in: scratch)
    let output = try scratch.folder("results") + (place == .base ? "/merged.safetensors" : "/merged")
    let result = try Program.run(["merge", baseArgument, adapter, "-o", output], processorSeconds: 20)
    #expect(try scratch.entries("results") == [])
    #expect(result.status == 3 || (kind.isMissing && result.status == 4), "\(result.status) \(result.messages)")
    let message = expectRefusal(result, status: result.status)
    #expect(message.contains((path as NSString).lastPathComponent), "\(message)")
  }

  // MARK: Paths that lead away

  /// What an index, a configuration or an adapter may say to have a file outside of its folder opened. `LINK` is a folder in the
  /// base that is a link to the outside.
  @Test(
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/strace")),
    arguments: [
      "../outside/x.safetensors", "OUTSIDE/x.safetensors", "LINK/x.safetensors", "./../outside/x.safetensors",
      "..\\\\outside\\\\x.safetensors", "sub/../../outside/x.safetensors", "../outside/x.safetensors\\u0000",
    ])
  func nothingOutsideIsOpened(name: String) throws {
    let scratch = try Scratch()
    let outside = try scratch.folder("outside")
    try writeFile(outside + "/x.safetensors", [TestTensor("w", .f32, [2])])
    let name = name.replacingOccurrences(of: "OUTSIDE", with: outside)
    for (file, text) in [
      ("model.safetensors.index.json", "{\"weight_map\":{\"w\":\"\(name)\"}}"),
      ("config.json", "{\"transformers_weights\":\"\(name)\"}"),
    ] {
      let base = try scratch.folder("base-\(file)")
      try? FileManager.default.createSymbolicLink(atPath: base + "/LINK", withDestinationPath: outside)
      try scratch.folder("base-\(file)/sub")
      try write(Array(text.utf8), to: base + "/" + file)
      let trace = scratch.file("trace")
      let result = try Program.run(
        ["ls", base], shell: "exec strace -f -qq -s 4096 -e trace=open,openat,openat2 -o '\(trace)' \"$0\" \"$@\"")
      let opened = String(decoding: try contents(trace), as: UTF8.self)
      #expect(opened.contains(file), "strace saw nothing")
      #expect(!opened.contains("outside") && !opened.contains("x.safetensors"), "\(opened)")
      #expect(expectRefusal(result, status: 3).contains("[shard-name]\n"))
    }
  }

  /// A shard may be a link to a file elsewhere, as in the Hugging Face cache; a folder on the way to it may not.
  @Test func linksToShardsAreFollowedAndLinksToFoldersAreNot() throws {
    let scratch = try Scratch()
    let outside = try scratch.folder("outside")
    try writeFile(outside + "/x.safetensors", [TestTensor("w", .f32, [2])])
    let base = try scratch.folder("base/sub")
    let link = base + "/x.safetensors"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: outside + "/x.safetensors")
    let index = "{\"weight_map\":{\"w\":\"sub/x.safetensors\"}}"
    try scratch.write(index, to: "base/model.safetensors.index.json")
    #expect(try Program.run(["ls", scratch.file("base")]).status == 0)
    try FileManager.default.removeItem(atPath: base)
    try FileManager.default.createSymbolicLink(atPath: base, withDestinationPath: outside)
    let message = expectRefusal(try Program.run(["ls", scratch.file("base")]), status: 3)
    #expect(message.contains("/sub: ") && message.contains("[shard-name]\n"))
  }

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/strace")))
  func theBaseThatAnAdapterNamesIsNeverOpened() throws {
    let scratch = try Scratch()
    let secret = try copyOfFixture("bases/llama-bf16", in: scratch, as: "secret")
    let adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
    let config = String(decoding: try contents(adapter + "/adapter_config.json"), as: UTF8.self)
    try write(
      Array(
        config.replacing(/"base_model_name_or_path": [^\n]*,/, with: "\"base_model_name_or_path\": \"\(secret)\",").utf8
      ),
      to: adapter + "/adapter_config.json")
    let trace = scratch.file("trace")
    let result = try Program.run(
      ["merge", basePath("llama-bf16"), adapter, "-o", scratch.file("merged")],
      shell: "exec strace -f -qq -s 4096 -e trace=%file -o '\(trace)' \"$0\" \"$@\"")
    #expect(result.status == 0, "\(result.messages)")
    let seen = String(decoding: try contents(trace), as: UTF8.self)
    #expect(seen.contains("adapter_config.json"), "strace saw nothing")
    #expect(!seen.contains("secret"))
  }

  // MARK: Bombs

  /// What the program needs of addresses for any small file.
  private static let addressKiB = 128 << 10

  /// Headers that would cost up to 77 times their length as trees: refused within three times it and what the program needs. A
  /// release build is given 100 MB, a debug build, which takes a minute for that, a fiftieth.
  @Test(
    arguments: [
      ("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":[", "{},", "{}]}}"),
      ("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":[", "[],", "[]]}}"),
      ("{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":[", "0,", "0]}}"),
      ("{\"__metadata__\":{", "\"\":\"\",", "\"\":\"\"}}"),
      ("", "[", ""), ("{\"a\":", "{\"a\":", ""), ("{\"", "n", "\":1}"), ("[", "0,", "0]"),
    ])
  func aBombIsRefusedWithinItsMemory(start: String, element: String, end: String) throws {
    let scratch = try Scratch()
    let path = scratch.file("bomb.safetensors")
    #if DEBUG
    let total = 2_000_000
    #else
    let total = 100_000_000
    #endif
    let count = (total - start.utf8.count - end.utf8.count) / element.utf8.count
    let padding = total - start.utf8.count - end.utf8.count - count * element.utf8.count
    let handle = try #require(FileHandle(forWritingAtPath: try scratch.write("", to: "bomb.safetensors")))
    try handle.write(contentsOf: (0..<8).map { UInt8(truncatingIfNeeded: total >> (8 * $0)) } + Array(start.utf8))
    let chunk = Data(String(repeating: element, count: 100_000).utf8)
    for _ in 0..<count / 100_000 { try handle.write(contentsOf: chunk) }
    try handle.write(contentsOf: Data(String(repeating: element, count: count % 100_000).utf8))
    try handle.write(contentsOf: Data((end + String(repeating: " ", count: padding)).utf8))
    try handle.close()
    let result = try Program.run(
      ["ls", path], shell: "ulimit -v \(Self.addressKiB + 3 * total / 1024); exec \"$0\" \"$@\"")
    let message = expectRefusal(result, status: 3)
    #expect(message.contains("[schema]\n") || message.contains("[json]\n"), "\(message)")
    #expect(message.utf8.count < 1000)
  }

  /// As many entries of `__metadata__` as are read, and one more.
  @Test func metadataHasABoundedNumberOfEntries() throws {
    let scratch = try Scratch()
    for (count, status) in [(65_536, Int32(0)), (65_537, 3)] {
      let entries = (0..<count).map { "\"\($0)\":\"\"" }.joined(separator: ",")
      try writeFile(scratch.file("f.safetensors"), [TestTensor("a", .u8, [0])], metadata: "{\(entries)}")
      let result = try Program.run(["ls", scratch.file("f.safetensors")])
      #expect(result.status == status, "\(result.messages)")
      if status == 3 { #expect(result.messages.contains("more than 65536 entries")) }
    }
  }

  /// Empty factors cost no bytes, whatever their other dimension: 2^40 experts, a rank of 2^40, a kernel beyond Int.
  @Test(arguments: [
    ("\"r\": 1, \"target_parameters\": [\"m.w\"]", "m.", [1 << 40, 0], [0, 1 << 40], ("m.w", [1 << 40, 0, 0])),
    ("\"r\": 1099511627776", "m.w.", [1 << 40, 0], [0, 1 << 40], ("m.w.weight", [0, 0])),
    ("\"r\": 1", "m.w.", [1, 1 << 61, 4, 0], [1, 1, 1, 1], ("m.w.weight", [1, 1 << 61, 4, 0])),
  ])
  func emptyFactorsAreRefused(fields: String, module: String, a: [Int], b: [Int], base: (String, [Int])) throws {
    let scratch = try Scratch()
    let baseFile = scratch.file("base.safetensors")
    try writeFile(baseFile, [TestTensor(base.0, .f32, base.1, bytes: [])])
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestTensor("\(module)lora_A.weight", .f32, a, bytes: []),
        TestTensor("\(module)lora_B.weight", .f32, b, bytes: [UInt8](repeating: 0, count: b.contains(0) ? 0 : 4)),
      ])
    try scratch.write("{\"peft_type\": \"LORA\", \(fields)}", to: "adapter/adapter_config.json")
    let result = try Program.run(
      ["merge", baseFile, adapter, "-o", scratch.file("out.safetensors")],
      shell: "ulimit -v 4194304; exec \"$0\" \"$@\"")
    #expect(expectRefusal(result, status: 3).contains("expected shape without zeros"))
    #expect(!FileManager.default.fileExists(atPath: scratch.file("out.safetensors")))
  }

  /// Ten thousand copies of a layer of a thousand tensors: a small file and a line of a configuration.
  @Test func copiesOfLayersAreBounded() throws {
    let scratch = try Scratch()
    let base = scratch.file("base.safetensors")
    try writeFile(base, (0..<1000).map { TestTensor("model.layers.0.t\($0)", .f32, [0]) })
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        TestTensor("model.layers.0.q.lora_A.weight", .f32, [1, 1]),
        TestTensor("model.layers.0.q.lora_B.weight", .f32, [1, 1]),
      ], fields: "\"layer_replication\": [\(Array(repeating: "[0, 1]", count: 10_000).joined(separator: ","))]")
    let result = try Program.run(
      ["merge", base, adapter, "-o", scratch.file("out.safetensors")],
      shell: "ulimit -v 4194304; exec \"$0\" \"$@\"")
    #expect(expectRefusal(result, status: 3).contains("makes 10000000 tensors"))
  }

  // MARK: Names that act on a terminal

  /// Escape sequences, a bell, a carriage return, C1, the override of the direction of text, separators of lines.
  private static let nasty = "a\u{1b}[31m\u{7}\r\n\u{9b}2J\u{202e}\u{2028}\u{200f}\u{7f}"
  private static let nastyJSON = nasty.unicodeScalars.map { scalar in
    scalar.value < 0x20 ? "\\u00" + String(scalar.value + 0x100, radix: 16).dropFirst() : String(scalar)
  }.joined()

  @Test(arguments: ["table", "json", "tsv", "names", "summary"])
  func namesFromFilesAreNeverPrintedRaw(format: String) throws {
    let scratch = try Scratch()
    let file = scratch.file("x\u{1b}[2J\u{202e}.safetensors")
    try writeFile(
      file, [TestTensor(Self.nastyJSON, .f32, [1])], metadata: "{\"\(Self.nastyJSON)\":\"\(Self.nastyJSON)\"}")
    let result = try Program.run(["ls", file] + (format == "summary" ? ["--summary"] : ["--format", format]))
    #expect(result.status == 0, "\(result.messages)")
    let text = format == "tsv" ? result.text.replacing("\t", with: " ") : result.text
    #expect(rawControls(text) == [] && rawControls(result.messages) == [])
    #expect(text.contains("a"))
  }

  @Test func mergesAndTheirReportsPrintNothingRaw() throws {
    let scratch = try Scratch()
    let name = Self.nastyJSON
    let base = scratch.file("b\u{1b}]0;x\u{7}.safetensors")
    try writeFile(base, [TestTensor("\(name).weight", .f32, [4, 4]), TestTensor("o\(name)", .f32, [1])])
    let adapter = try writeAdapter(
      scratch.file("ad\u{9b}\u{202e}"), rank: 1, alpha: "1",
      [TestTensor("\(name).lora_A.weight", .f32, [1, 4]), TestTensor("\(name).lora_B.weight", .f32, [4, 1])],
      fields: "\"base_model_name_or_path\": \"\(name)\"")
    let output = scratch.file("out\u{1b}.safetensors")
    for arguments in [["-n"], ["-n", "-v"], ["-v", "--report", "-"], ["-v", "-f"]] {
      let result = try Program.run(["merge", base, adapter, "-o", output] + arguments)
      #expect(!result.isSignal && [0, 2].contains(result.status), "\(result.messages)")
      #expect(rawControls(result.text) == [] && rawControls(result.messages) == [], "\(arguments)")
    }
    // An adapter for another base: the error names tensors of both.
    try writeFile(base, [TestTensor("\(name)2.weight", .f32, [4, 4])])
    expectRefusal(try Program.run(["merge", base, adapter, "-o", output, "-f"]), status: 3)
  }

  @Test func configurationsAndIndexesPrintNothingRaw() throws {
    let name = Self.nastyJSON
    for (file, text) in [
      ("model.safetensors.index.json", "{\"weight_map\":{\"\(name)\":\"\(name).safetensors\"}}"),
      ("model.safetensors.index.json", "{\"weight_map\":{\"\(name)\":1}}"),
      ("model.safetensors.index.json", "{\"\(name)\":1,\"\(name)\":2}"),
      ("config.json", "{\"transformers_weights\":\"\(name)\"}"), ("config.json", "{\"a\":\u{1b}}"),
      ("config.json", "{\"\(name)\":1,\"\(name)\":2}"),
    ] {
      let scratch = try Scratch()
      let base = try scratch.folder("base")
      try write(Array(text.utf8), to: base + "/" + file)
      expectRefusal(try Program.run(["ls", base]), status: 3, text)
    }
    for fields in [
      "\"\(name)\": 1", "\"bias\": \"\(name)\"", "\"init_lora_weights\": \"\(name)\"",
      "\"rank_pattern\": {\"(\(name)\": 1}",
      "\"alpha_pattern\": {\"\(name)\": \"\(name)\"}", "\"use_bdlora\": {\"\(name)\": 1}",
      "\"trainable_token_indices\": {\"\(name)\": \"\(name)\"}",
    ] {
      let scratch = try Scratch()
      let adapter = try writeAdapter(
        scratch.file("adapter"), rank: 1, alpha: "1",
        [TestTensor("w.lora_A.weight", .f32, [1, 4]), TestTensor("w.lora_B.weight", .f32, [4, 1])], fields: fields)
      let base = scratch.file("base.safetensors")
      try writeFile(base, [TestTensor("w.weight", .f32, [4, 4])])
      let result = try Program.run(["merge", base, adapter, "-o", scratch.file("out.safetensors")])
      expectRefusal(result, status: 3, fields)
    }
  }

  // MARK: Adapter configurations

  @Test(
    arguments: [
      "\"lora_alpha\": 1e400", "\"lora_alpha\": -1e400", "\"lora_alpha\": \(String(repeating: "9", count: 100_000))",
      "\"r\": \(String(repeating: "9", count: 100_000))", "\"r\": 9223372036854775807", "\"r\": 9223372036854775808",
      "\"r\": -1", "\"r\": 1e0", "\"lora_alpha\": NaN", "\"lora_alpha\": Infinity", "\"lora_alpha\": -Infinity",
      "\"layer_replication\": [[0, 9223372036854775807]]", "\"layer_replication\": [[5, 5]]",
      "\"use_bdlora\": {\"nblocks\": 9223372036854775807}",
      "\"trainable_token_indices\": [9223372036854775807]",
      "\"odd\": \(String(repeating: "[", count: 200))\(String(repeating: "]", count: 200))",
      "\"odd\": \(String(repeating: "[", count: 1_000_000))",
      "\"rank_pattern\": {\"(((((x{9999}){9999}){9999}){9999})\": 1}",
      "\"rank_pattern\": {\"\(String(repeating: "(", count: 10_000))\": 1}",
      "\"rank_pattern\": {\"x{99999999999999999999999999}\": 1}", "\"r\": 1, \"r\": 1",
      "\"alpha_pattern\": {\"q\": 1, \"q\": 2}",
    ] as [LongText])
  func configurationsThatAreNonsenseAreRefused(fields: LongText) throws {
    let scratch = try Scratch()
    let adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
    try write(
      Array("{\"peft_type\": \"LORA\", \"target_modules\": [\"q_proj\"], \(fields.text)}".utf8),
      to: adapter + "/adapter_config.json")
    let result = try Program.run(
      ["merge", basePath("llama-bf16"), adapter, "-o", scratch.file("merged")],
      shell: "ulimit -v 4194304; exec \"$0\" \"$@\"")
    #expect(expectRefusal(result, status: 3).utf8.count < 4096)
    #expect(try scratch.entries() == ["adapter"])
  }

  @Test(arguments: [[0xEF, 0xBB, 0xBF], [0xFF, 0xFE], [0x00], [0xC0, 0x80]] as [[UInt8]])
  func configurationsThatAreNotUTF8TextAreRefused(prefix: [UInt8]) throws {
    let scratch = try Scratch()
    let adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
    let config = try contents(adapter + "/adapter_config.json")
    try write(prefix + config, to: adapter + "/adapter_config.json")
    let result = try Program.run(["merge", basePath("llama-bf16"), adapter, "-o", scratch.file("merged")])
    expectRefusal(result, status: 3)
  }

  /// Patterns on which engines that backtrack take exponential time.
  @Test(arguments: ["(a*)*b", "(a+)+$", "(a|a)*b", "(.*)*(.*)*(.*)*x", "((a?){40}){20}b"])
  func patternsThatBacktrackEnd(pattern: String) throws {
    let scratch = try Scratch()
    let module = String(repeating: "a", count: 400)
    let base = scratch.file("base.safetensors")
    try writeFile(base, [TestTensor("\(module).weight", .f32, [2, 2])])
    let adapter = try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [TestTensor("\(module).lora_A.weight", .f32, [1, 2]), TestTensor("\(module).lora_B.weight", .f32, [2, 1])],
      fields: "\"rank_pattern\": {\"\(pattern)\": 1}")
    let result = try Program.run(["merge", base, adapter, "-o", scratch.file("out.safetensors")])
    #expect(result.status == 0, "\(result.messages)")
  }

  // MARK: Index

  /// A million tensors, in a release build; a debug build takes thirty times as long for each.
  @Test func aMillionEntriesAreReadInTime() throws {
    #if DEBUG
    let (count, seconds) = (100_000, 40)
    #else
    let (count, seconds) = (1_000_000, 2)
    #endif
    let scratch = try Scratch()
    let entries = (0..<count).map { "\"layers.\($0).w\":\"s\($0 / 1000).safetensors\"" }.joined(separator: ",")
    try scratch.write("{\"weight_map\":{\(entries)}}", to: "model.safetensors.index.json")
    // Refused for the shards that are not there, after all of it was read.
    expectRefusal(try Program.run(["ls", scratch.path], processorSeconds: seconds), status: 3)
  }
}
