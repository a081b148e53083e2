import Adapters
import Checkpoints
import JSONText
import Safetensors
import TestSupport
import Testing

@testable import MergePlanning

/// How tensors are divided among files, from headers alone.
@Suite struct ShardingPolicyTests {
  /// Limit, sizes, and the groups that huggingface_hub 2.4 makes of them.
  static let cases: [(Int, [Int], [[Int]])] = [
    (10, [6, 6, 2, 6, 2, 2], [[0], [1, 2], [3, 4, 5]]),
    (10, [3, 20, 4, 3], [[1], [0, 2, 3]]),
    (10, [9, 20, 4], [[1], [0], [2]]),
    (10, [], [[]]),
    (1, [1, 1, 1], [[0], [1], [2]]),
    (5, [0, 5, 0, 1, 0], [[0, 1, 2], [3, 4]]),
    (7, [8, 9, 10], [[0], [1], [2]]),
    (22, [11, 14, 3, 22, 1, 8, 26], [[0], [1, 2], [3], [6], [4, 5]]),
    (17, [4, 3, 21, 3, 1], [[2], [0, 1, 3, 4]]),
    (8, [1, 3, 11, 2, 2], [[2], [0, 1, 3, 4]]),
    (26, [1, 11, 27, 2, 28, 8, 12, 1], [[2], [4], [0, 1, 3, 5], [6, 7]]),
    (13, [3, 4, 6, 14, 11, 13, 8, 5, 7, 6, 14], [[3], [0, 1, 2], [4], [5], [6, 7], [10], [8, 9]]),
    (21, [20, 13, 5, 3, 6], [[0], [1, 2, 3], [4]]),
    (12, [2, 2, 1, 5, 16, 14, 6, 6, 10, 5], [[4], [5], [0, 1, 2, 3], [6, 7], [8], [9]]),
    (24, [28, 6, 6, 12, 25, 4, 24], [[0], [4], [1, 2, 3], [5], [6]]),
    (24, [28, 26, 26, 25, 14, 25, 22, 5, 10], [[0], [1], [2], [3], [5], [4], [6], [7, 8]]),
    (20, [8, 19, 6], [[0], [1], [2]]),
    (15, [15, 19, 17, 5, 18, 11, 12], [[1], [2], [0], [4], [3], [5], [6]]),
    (7, [3, 11, 2, 2], [[1], [0, 2, 3]]),
    (12, [11, 14, 4, 3, 4, 6, 3, 15, 3, 1], [[1], [0], [2, 3, 4], [7], [5, 6, 8], [9]]),
    (11, [3, 15, 9, 15, 13], [[1], [0], [3], [4], [2]]),
  ]

  @Test(arguments: cases) func groupsAreThoseOfTheHub(_ values: (Int, [Int], [[Int]])) {
    #expect(ShardingPolicy.groups(values.1, limit: values.0) == values.2)
  }

  @Test func largestNumbersDoNotOverflow() {
    #expect(ShardingPolicy.groups([Int.max - 1, 2, Int.max], limit: Int.max) == [[0], [1], [2]])
  }

  @Test func namesAreThoseOfTransformers() {
    #expect(ShardingPolicy.name("model", 0, of: 1) == "model.safetensors")
    #expect(ShardingPolicy.name("model", 1, of: 12) == "model-00002-of-00012.safetensors")
    #expect(ShardingPolicy.name("model", 123_455, of: 123_456) == "model-123456-of-123456.safetensors")
  }

  private static let tensors = (0..<4).map { number in
    TestTensor("layers.\(number).weight", .bf16, [3, 2 + number])
  }

  private struct Base {
    let scratch: Scratch
    let path: String
    let adapter: String

    /// - Parameter files: Names with tensors and metadata; several have an index.
    init(_ files: [(name: String, tensors: [TestTensor], metadata: String?)], index: String, config: String?) throws {
      scratch = try Scratch()
      path = try scratch.folder("base")
      for file in files { try writeFile(path + "/" + file.name, file.tensors, metadata: file.metadata) }
      let map = files.flatMap { file in file.tensors.map { "\"\($0.name)\": \"\(file.name)\"" } }
      if !index.isEmpty {
        let text = "{\"metadata\": {\"note\": \"kept\"}, \"weight_map\": {\(map.joined(separator: ", "))}}"
        try write(Array(text.utf8), to: path + "/" + index)
      }
      if let config { try write(Array(config.utf8), to: path + "/config.json") }
      adapter = try writeAdapter(
        scratch.file("adapter"), rank: 1, alpha: "1",
        [TestTensor("layers.0.lora_A.weight", .f32, [1, 2]), TestTensor("layers.0.lora_B.weight", .f32, [3, 1])])
    }

    func plan(_ sizes: ShardingPolicy, index: String = "") throws -> MergePlan {
      var options = MergeOptions()
      options.fileSizes = sizes
      return try MergePlan(
        base: Checkpoint(path: index.isEmpty ? path : path + "/" + index),
        adapters: [AdapterUse(Adapter(folder: adapter))], options: options)
    }
  }

  @Test func metadataIsWhatFilesAgreeAbout() throws {
    let base = try Base(
      [
        ("a.safetensors", Array(Self.tensors[..<2]), "{\"format\":\"pt\",\"one\":\"1\",\"part\":\"a\"}"),
        ("b.safetensors", Array(Self.tensors[2...]), "{\"part\":\"b\",\"format\":\"pt\",\"two\":\"2\"}"),
      ], index: "model.safetensors.index.json", config: nil)
    let plan = try base.plan(.single)
    #expect(plan.shards.map(\.name) == ["model.safetensors"])
    let header = String(decoding: plan.shards[0].headerBytes.dropFirst(8), as: UTF8.self)
    #expect(header.hasPrefix("{\"__metadata__\":{\"format\":\"pt\",\"one\":\"1\",\"two\":\"2\"},"), "\(header)")
    #expect(plan.warnings.contains { $0.hasSuffix("its files have different metadata under part, which is dropped") })
    #expect(plan.textFiles.isEmpty)
    #expect(try base.plan(.asBase).warnings.isEmpty)
  }

  /// The parts of an index that are not sizes stay, and its name and that of the files.
  @Test func indexAndStemAreTheBases() throws {
    let base = try Base(
      [("x-1.safetensors", Array(Self.tensors[..<2]), nil), ("x-2.safetensors", Array(Self.tensors[2...]), nil)],
      index: "weights.fp16.safetensors.index.json",
      config: "{\"transformers_weights\": \"weights.fp16.safetensors.index.json\"}"
    )
    let plan = try base.plan(.atMost(30))
    #expect(plan.shards.map(\.name) == (1...3).map { "weights.fp16-0000\($0)-of-00003.safetensors" })
    let index = try #require(plan.text(of: "weights.fp16.safetensors.index.json"))
    #expect(index.contains("\"note\": \"kept\""))
    #expect(index.contains("\"total_size\": 84"))
    #expect(index.contains("\"total_parameters\": 42"))
    #expect(plan.text(of: "config.json") == nil, "it names the index, which keeps its name")
    // With one file there is no index for config.json to name.
    let single = try base.plan(.single)
    #expect(single.shards.map(\.name) == ["weights.fp16.safetensors"])
    #expect(single.textFiles.map(\.name) == ["config.json"])
    #expect(single.text(of: "config.json") == "{\"transformers_weights\": \"weights.fp16.safetensors\"}")
  }

  @Test func configNamesTheIndexOfWhatWasOneFile() throws {
    let base = try Base(
      [("mine.safetensors", Self.tensors, nil)], index: "", config: "{\"transformers_weights\":\"mine.safetensors\"}")
    let plan = try base.plan(.atMost(30))
    #expect(plan.shards.first?.name == "mine-00001-of-00003.safetensors")
    #expect(plan.textFiles.map(\.name) == ["config.json", "mine.safetensors.index.json"])
    #expect(plan.text(of: "config.json") == "{\"transformers_weights\":\"mine.safetensors.index.json\"}")
    #expect(try base.plan(.single).textFiles.isEmpty)
  }

  /// An index of one shard goes with --single-file.
  @Test func anIndexOfOneFileIsLeftOut() throws {
    let base = try Base(
      [("model-00001-of-00001.safetensors", Self.tensors, nil)], index: "model.safetensors.index.json", config: nil)
    #expect(try base.plan(.asBase).textFiles.map(\.name) == ["model.safetensors.index.json"])
    let plan = try base.plan(.single)
    #expect(plan.shards.map(\.name) == ["model.safetensors"])
    #expect(plan.textFiles.isEmpty)
  }

  /// Behind a tensor of an odd number of bytes the wide ones come first, and every element lies on a multiple of its size.
  @Test func elementsAreAligned() throws {
    let odd = TestTensor("odd", .u8, [3])
    let wide = TestTensor("wide", .f32, [2])
    for files in [
      [("a.safetensors", [Self.tensors[0], odd]), ("b.safetensors", [wide, Self.tensors[1]])],
      [("a.safetensors", [wide, Self.tensors[0]]), ("b.safetensors", [Self.tensors[1], odd])],
    ] {
      let base = try Base(files.map { ($0.0, $0.1, nil) }, index: "model.safetensors.index.json", config: nil)
      let plan = try base.plan(.single)
      let tensors = plan.shards[0].tensors
      #expect(tensors.map(\.name.string) == ["wide", "layers.0.weight", "layers.1.weight", "odd"])
      for tensor in tensors { #expect(tensor.outputRange.lowerBound % (tensor.outputDType.bitCount / 8) == 0) }
    }
  }

  /// What is copied keeps the place in its block that it has in the file that most is copied of.
  @Test func blocksCanBeShared() throws {
    let large = [400, 3000].enumerated().map { TestTensor("large.\($0)", .bf16, [$1, 8]) }
    let base = try Base(
      [("a.safetensors", [large[0]], nil), ("b.safetensors", [large[1], Self.tensors[0]], nil)],
      index: "model.safetensors.index.json", config: nil)
    let shard = try base.plan(.single).shards[0]
    let tensor = try #require(shard.tensors.first { $0.name == "large.1" })
    #expect(tensor.outputRange.lowerBound % 4096 == tensor.source.range.lowerBound % 4096)
  }
}
