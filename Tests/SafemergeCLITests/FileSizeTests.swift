import Foundation
import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

/// `--max-shard-size` and `--single-file`.
@Suite struct FileSizeTests {
  private static let sharded = basePath("llama-bf16-sharded")
  private static let adapter = adapterPath("linear-bf16")
  private static let expected = fixturesPath() + "/lora/linear/bf16/merged/model.safetensors"
  private static let indexName = "model.safetensors.index.json"

  private struct Tensor: Equatable {
    let file: String
    let dtype: DType
    let shape: [Int]
    let bytes: [UInt8]
  }

  /// The tensors of the weight files in a folder, or of one file, in the order of the files and their data.
  private func tensors(_ path: String) throws -> [(name: String, tensor: Tensor)] {
    let isFile = path.hasSuffix(".safetensors")
    return try (isFile ? [""] : weights(path)).filter { isFile || $0.hasSuffix(".safetensors") }.flatMap { name in
      try readTensors(isFile ? path : path + "/" + name).map { tensor in
        (tensor.name, Tensor(file: name, dtype: tensor.dtype, shape: tensor.shape, bytes: tensor.bytes))
      }
    }
  }

  private func merge(_ base: String, _ arguments: [String], in scratch: Scratch, as name: String) throws -> String {
    let output = scratch.file(name)
    let result = try Program.run(["merge", base, Self.adapter, "-o", output, "-q"] + arguments)
    #expect(result.status == 0, "\(result.messages)")
    return output
  }

  private func weights(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.contains(".safetensors") }.sorted()
  }

  /// Each group of names is the most that fits behind the one before it.
  private func expectFirstFit(_ found: [(name: String, tensor: Tensor)], limit: Int) {
    let files = Dictionary(grouping: found, by: \.tensor.file)
    let names = files.keys.sorted()
    for (file, next) in zip(names, names.dropFirst()) {
      let size = files[file, default: []].reduce(0) { $0 + $1.tensor.bytes.count }
      #expect(size <= limit || files[file]?.count == 1, "\(file) has \(size) bytes")
      guard size <= limit, let first = files[next]?.first, first.tensor.bytes.count <= limit else { continue }
      #expect(size + first.tensor.bytes.count > limit, "\(first.name) would fit into \(file)")
    }
  }

  @Test(arguments: [("llama-bf16-sharded", 6), ("llama-bf16", 7)]) func dividesAgain(base: String, count: Int) throws {
    let scratch = try Scratch()
    let output = try merge(basePath(base), ["--max-shard-size", "9KB"], in: scratch, as: "merged")
    let names = (1...count).map { "model-0000\($0)-of-0000\(count).safetensors" }
    #expect(try weights(output) == names + [Self.indexName])
    let found = try tensors(output)
    expectFirstFit(found, limit: 9000)
    let order = try tensors(basePath(base)).map(\.name)
    #expect(found.map(\.name) == order, "the base's order")
    let expected = Dictionary(uniqueKeysWithValues: try tensors(Self.expected))
    #expect(found.count == expected.count)
    for (name, tensor) in found { #expect(tensor.bytes == expected[name]?.bytes, "\(name)") }
    // The index, by itself and as the program reads it.
    let text = try contents(output + "/" + Self.indexName)
    let index = try JSONParser.parse(text.span)
    #expect(index["metadata"]?["total_size"] == .integer(Int64(found.reduce(0) { $0 + $1.tensor.bytes.count })))
    #expect(
      index["metadata"]?["total_parameters"] == .integer(Int64(found.reduce(0) { $0 + $1.tensor.shape.reduce(1, *) })))
    guard case .object(let map)? = index["weight_map"] else {
      Issue.record("no weight_map")
      return
    }
    let places = Dictionary(uniqueKeysWithValues: found.map { ($0.name, JSONValue.string($0.tensor.file)) })
    #expect(Dictionary(uniqueKeysWithValues: map.map { ($0.key, $0.value) }) == places)
    #expect(try Program.run(["check", "--data", output]).status == 0)
    let check = try Program.run(
      ["check", output, "--against", basePath(base), "--adapter", Self.adapter, "--exact"])
    #expect(check.status == 0, "\(check.text)\(check.messages)")
    #expect(try contents(output + "/config.json") == contents(basePath(base) + "/config.json"))
  }

  @Test func oneFileOfShards() throws {
    let scratch = try Scratch()
    let output = try merge(Self.sharded, ["--single-file", "--checksums"], in: scratch, as: "merged")
    #expect(try weights(output) == ["model.safetensors"])
    let found = try tensors(output)
    #expect(try found.map(\.name) == tensors(Self.sharded).map(\.name))
    let expected = Dictionary(uniqueKeysWithValues: try tensors(Self.expected))
    for (name, tensor) in found { #expect(tensor.bytes == expected[name]?.bytes, "\(name)") }
    let record = try contents(output + "/.safemerge.json")
    let provenance = try JSONParser.parse(record.span)
    #expect(provenance["options"]?["single-file"] == .string("true"))
    guard case .array(let files)? = provenance["files"] else {
      Issue.record("no files")
      return
    }
    let listed = files.compactMap { if case .string(let name)? = $0["name"] { name } else { nil } }
    #expect(listed.sorted() == (try model(output).keys.sorted()))
    #expect(files.allSatisfy { if case .string? = $0["sha256"] { true } else { false } })
    // A limit that everything fits under makes the same file.
    let large = try merge(Self.sharded, ["--max-shard-size", "1GB"], in: scratch, as: "large")
    #expect(try model(large) == model(output))
    // One file stays one.
    let plain = try merge(basePath("llama-bf16"), [], in: scratch, as: "plain")
    let single = try merge(basePath("llama-bf16"), ["--single-file"], in: scratch, as: "single")
    #expect(try model(single) == model(plain))
  }

  /// A base that is a file has a folder as its result, if that is to have a size.
  @Test func aFileBecomesAFolder() throws {
    let scratch = try Scratch()
    let file = basePath("llama-bf16") + "/model.safetensors"
    let output = try merge(file, ["--max-shard-size", "9KB"], in: scratch, as: "merged")
    let folder = try merge(basePath("llama-bf16"), ["--max-shard-size", "9KB"], in: scratch, as: "folder")
    #expect(try weights(output) == weights(folder))
    for name in try weights(output) { #expect(try contents(output + "/" + name) == contents(folder + "/" + name)) }
    #expect(try scratch.entries("merged") == (try weights(output) + [".safemerge.json"]).sorted())
    let single = try merge(file, ["--single-file"], in: scratch, as: "single.safetensors")
    let plain = try merge(file, [], in: scratch, as: "plain.safetensors")
    // The record of each has its own options.
    #expect(try elements(single) == elements(plain))
  }

  /// Nothing of another division is left where a model is replaced.
  @Test func noStaleFileIsLeft() throws {
    let scratch = try Scratch()
    for arguments in [["--max-shard-size", "9KB"], ["--single-file"], ["--max-shard-size", "20KB"], []] {
      let output = try merge(Self.sharded, arguments + ["--force"], in: scratch, as: "merged")
      let fresh = try merge(Self.sharded, arguments, in: scratch, as: "fresh")
      #expect(try tree(output) == tree(fresh), "\(arguments)")
      try FileManager.default.removeItem(atPath: fresh)
    }
  }

  @Test func sizesAreThoseOfTheResultsDType() throws {
    let scratch = try Scratch()
    let output = try merge(
      basePath("llama-bf16"), ["--max-shard-size", "18KB", "--dtype", "f32"], in: scratch, as: "wide")
    let other = try merge(basePath("llama-bf16"), ["--max-shard-size", "9KB"], in: scratch, as: "narrow")
    #expect(try weights(output) == weights(other))
    #expect(try tensors(output).map(\.tensor.file) == tensors(other).map(\.tensor.file))
    #expect(try tensors(output).allSatisfy { $0.tensor.dtype == .f32 })
  }

  /// A head that is written apart comes behind its embedding and counts.
  @Test func headsThatAreSplitOffCount() throws {
    let scratch = try Scratch()
    let output = scratch.file("merged")
    let result = try Program.run(
      [
        "merge", basePath("tiny-tied-bf16"), adapterPath("tied-embedding-bf16"), "-o", output, "--tied", "split", "-q",
        "--max-shard-size", "2KB",
      ])
    #expect(result.status == 0, "\(result.messages)")
    let found = try tensors(output)
    expectFirstFit(found, limit: 2000)
    #expect(found.contains { $0.name == "lm_head.weight" })
    #expect(try Program.run(["check", output]).status == 0)
    let whole = scratch.file("whole")
    #expect(
      try Program.run(
        [
          "merge", basePath("tiny-tied-bf16"), adapterPath("tied-embedding-bf16"), "-o", whole, "--tied", "split", "-q",
        ]
      ).status == 0)
    let values = Dictionary(uniqueKeysWithValues: try tensors(whole))
    #expect(values.count == found.count)
    for (name, tensor) in found { #expect(tensor.bytes == values[name]?.bytes, "\(name)") }
  }

  @Test func thePlanSaysIt() throws {
    func plan(_ base: String, _ arguments: [String]) throws -> String {
      let result = try Program.run(["merge", "-n", base, Self.adapter] + arguments)
      #expect(result.status == 0, "\(result.messages)")
      return result.lines.first { $0.hasPrefix("plan ") } ?? ""
    }
    #expect(try plan(Self.sharded, []).hasSuffix("; 4 shards, as in the base"))
    #expect(try plan(Self.sharded, ["--single-file"]).hasSuffix("; re-sharded into 1 file"))
    #expect(
      try plan(Self.sharded, ["--max-shard-size", "9KB"]).hasSuffix("; re-sharded into 6 shards of at most 9,000 bytes")
    )
    let small = try plan(Self.sharded, ["--max-shard-size", "3KiB"])
    #expect(small.contains(" shards of at most 3,072 bytes, with "), "\(small)")
    #expect(small.hasSuffix(" larger tensors in shards of their own"), "\(small)")
    let names = try Program.run(["merge", "-n", Self.sharded, Self.adapter, "--single-file"]).lines
    #expect(names.contains { $0.hasPrefix("write     model.safetensors   ") })
    #expect(!names.contains { $0.contains("-of-00004") || $0.contains(Self.indexName) })
  }

  @Test func aKilledMergeIsResumed() throws {
    let model = try SlowModel()
    let scratch = model.scratch
    let options = ["--max-shard-size", "9MB"]
    #expect(try model.merge(scratch.file("whole"), options).status == 0)
    let killed = try model.merge(
      scratch.file("merged"), options, shell: SlowModel.signalling("KILL", after: "^shard     1/", pause: "0.05"))
    guard killed.status == 137 else { return }
    let first = ".merged.safemerge/result/model-00001-of-00004.safetensors"
    let kept = try SystemCalls.identity(path: scratch.file(first))?.inode
    try #require(kept != nil)
    for (other, reason) in [
      (["--max-shard-size", "5MB"], "max-shard-size: 9000000B -> 5000000B"),
      ([], "max-shard-size: 9000000B -> not given"), (["--single-file"], "single-file: not given -> true"),
    ] {
      let refused = try model.merge(scratch.file("merged"), other + ["-q"])
      #expect(expectRefusal(refused, status: 5).contains(reason), "\(refused.messages)")
    }
    let resumed = try model.merge(scratch.file("merged"), options)
    #expect(resumed.status == 0, "\(resumed.messages)")
    #expect(try tree(scratch.file("merged")) == tree(scratch.file("whole")))
    let identity = try SystemCalls.identity(path: scratch.file("merged/model-00001-of-00004.safetensors"))
    #expect(identity?.inode == kept, "it was not written again")
  }

  /// One file is made of more than may be open.
  @Test func fewFilesAreOpenAtOnce() throws {
    let scratch = try Scratch()
    let base = try scratch.folder("base")
    let shards = (0..<150).map { number in
      let bytes = (0..<16).map { UInt8(truncatingIfNeeded: number + 3 * $0) & 0x3F }
      return (
        name: "model-\(number).safetensors", tensors: [TestTensor("\(number).weight", .f32, [2, 2], bytes: bytes)]
      )
    }
    for shard in shards { try writeFile(base + "/" + shard.name, shard.tensors) }
    try writeIndex(base, shards)
    let factors = (0..<75).flatMap { number in
      [TestTensor("\(number).lora_A.weight", .f32, [1, 2]), TestTensor("\(number).lora_B.weight", .f32, [2, 1])]
    }
    let adapter = try writeAdapter(scratch.file("adapter"), rank: 1, alpha: "1", factors)
    let output = scratch.file("merged")
    let result = try Program.run(
      ["merge", base, adapter, "-o", output, "-q", "-j", "40", "--single-file"],
      shell: "ulimit -n 80; exec \"$0\" \"$@\"")
    #expect(result.status == 0, "\(result.messages)")
    let found = Dictionary(uniqueKeysWithValues: try tensors(output))
    for shard in shards { #expect(found[shard.tensors[0].name]?.bytes == shard.tensors[0].bytes) }
  }

  @Test(arguments: [
    ["--single-file", "--max-shard-size", "5GB"], ["--max-shard-size", "0"], ["--max-shard-size", "5 GB"],
    ["--max-shard-size", "-1GB"], ["--max-shard-size", "lots"],
  ]) func nonsenseIsRefused(arguments: [String]) throws {
    let scratch = try Scratch()
    let result = try Program.run(["merge", Self.sharded, Self.adapter, "-o", scratch.file("merged")] + arguments)
    #expect(result.status == 2, "\(result.messages)")
    #expect(try scratch.entries() == [])
  }

  /// What is repaired is divided as the merge was.
  @Test func repairsKeepTheSizes() throws {
    let scratch = try Scratch()
    let options = ["--max-shard-size", "9KB"]
    let output = try merge(Self.sharded, options, in: scratch, as: "merged")
    let whole = try tree(output)
    let shard = output + "/model-00002-of-00006.safetensors"
    var bytes = try contents(shard)
    bytes[bytes.count - 1] ^= 0x40
    try write(bytes, to: shard)
    let repaired = scratch.file("repaired")
    let result = try Program.run(
      ["check", output, "--against", Self.sharded, "--adapter", Self.adapter, "--repair", repaired, "-q"] + options)
    #expect(result.status == 0, "\(result.text)\(result.messages)")
    #expect(try tree(repaired) == whole)
  }
}
