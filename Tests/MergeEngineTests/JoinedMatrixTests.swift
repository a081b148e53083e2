import Adapters
import MergePlanning
import Merging
import Safetensors
import TestSupport
import Testing

@testable import MergeEngine

/// Updates that need all rows of a module, which the base has in several tensors.
@Suite struct JoinedMatrixTests {
  private static let attention = "model.layers.0.self_attn"
  private static let config =
    #"{"hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4}"#
  private static let parts = [("q_proj", 8), ("k_proj", 4), ("v_proj", 4)]

  private static func numbers(_ count: Int, seed: UInt64, _ dtype: DType = .f32) -> [UInt8] {
    var generator = SeededGenerator(seed: seed)
    return (0..<count).flatMap { _ in
      let bits = Elements.narrow(Float.random(in: -1...1, using: &generator), dtype)
      return (0..<dtype.bitCount / 8).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
    }
  }

  /// The same weight in one tensor, and in three.
  private func write(_ scratch: Scratch, _ dtype: DType) throws -> (fused: String, apart: String) {
    let bytes = Self.numbers(16 * 8, seed: 3, dtype)
    let (fused, apart) = (try scratch.folder("fused"), try scratch.folder("apart"))
    try writeFile(
      fused + "/model.safetensors", [TestTensor("\(Self.attention).qkv_proj.weight", dtype, [16, 8], bytes: bytes)])
    var first = 0
    try writeFile(
      apart + "/model.safetensors",
      Self.parts.map { name, rows in
        let end = first + rows * 8 * dtype.bitCount / 8
        defer { first = end }
        return TestTensor("\(Self.attention).\(name).weight", dtype, [rows, 8], bytes: Array(bytes[first..<end]))
      })
    for folder in ["fused", "apart"] { try scratch.write(Self.config, to: folder + "/config.json") }
    return (fused, apart)
  }

  private func adapter(_ scratch: Scratch, _ name: String, _ fields: String, _ tensors: [TestTensor]) throws -> String {
    let folder = try scratch.folder(name)
    try scratch.write("{\(fields)}", to: name + "/adapter_config.json")
    try writeFile(
      folder + "/adapter_model.safetensors",
      tensors.map {
        TestTensor("base_model.model.\(Self.attention).qkv_proj.\($0.name)", $0.dtype, $0.shape, bytes: $0.bytes)
      }, metadata: "{\"format\":\"pt\"}")
    return folder
  }

  private func road(_ scratch: Scratch) throws -> String {
    try adapter(
      scratch, "road", #""peft_type": "ROAD", "group_size": 16"#,
      ["road_theta", "road_alpha"].enumerated().map {
        TestTensor($1, .f32, [8], bytes: Self.numbers(8, seed: UInt64(5 + $0)))
      })
  }

  private func miss(_ scratch: Scratch) throws -> String {
    try adapter(
      scratch, "miss", #""peft_type": "MISS", "init_weights": "bat", "r": 8"#,
      [TestTensor("miss_block", .f32, [2, 8, 8], bytes: Self.numbers(128, seed: 9))])
  }

  private func bytes(_ path: String) throws -> [String: [UInt8]] {
    Dictionary(uniqueKeysWithValues: try loadTensors(path).map { ($0.key.string, Array($0.value.data)) })
  }

  /// The bits of a base that has the module in one tensor.
  @Test(arguments: ["road", "miss"], [DType.f32, .bf16]) func partsHaveTheBitsOfTheWhole(
    _ method: String, _ dtype: DType
  ) throws {
    let scratch = try Scratch()
    let (fused, apart) = try write(scratch, dtype)
    let adapter = method == "road" ? try road(scratch) : try miss(scratch)
    for (base, name) in [(fused, "one"), (apart, "three")] {
      try TestMerge(base: base, adapter: adapter, output: scratch.file(name)).run()
    }
    let (one, three) = (try bytes(scratch.file("one")), try bytes(scratch.file("three")))
    let found = Self.parts.flatMap { three["\(Self.attention).\($0.0).weight"] ?? [] }
    #expect(one.count == 1 && one["\(Self.attention).qkv_proj.weight"] == found)
    let before = try bytes(apart)
    #expect(before.allSatisfy { three[$0.key] != $0.value })
  }

  /// What an adapter made before is in no file, so that a second one cannot read it.
  @Test func aSecondUpdateIsRefused() throws {
    let scratch = try Scratch()
    let (_, apart) = try write(scratch, .f32)
    let (first, second) = (try road(scratch), try miss(scratch))
    let error = #expect(throws: PlanError.self) {
      try TestMerge(
        base: apart, adapters: [(first, 1), (second, 1)], output: scratch.file("merged"), options: .init())
    }
    #expect(error?.errorClass == "unsupported" && error?.message.contains("qkv_proj.weight") == true)
  }

  /// Norms down the columns, and blocks that two tensors share, for every tile size, number of threads, and with statistics.
  @Test(arguments: [
    ("flux-dora-columns-fused-on-split", 1), ("flux-weight-dora-columns-fused", -0.5), ("flux-oft-fused-on-split", 0.5),
  ])
  func tilesDoNotMatter(_ name: String, _ weight: Double) throws {
    let cases = fixturesPath() + "/image/cases/"
    let scratch = try Scratch()
    func merged(_ path: String, _ change: (inout MergeEngine.Options) -> Void) throws -> [TensorName: [UInt8]] {
      let merge = try TestMerge(
        base: cases + "bases/flux-folder", adapters: [(cases + name + "/adapter.safetensors", weight)],
        output: scratch.file(path), options: .init())
      let joined = merge.plan.updatedTensors.flatMap(\.update.steps).compactMap { step -> JoinedMatrix<FactorView>? in
        guard case .part(let part) = step else { return nil }
        return part.matrix
      }
      #expect(joined.count >= 2)
      var request = merge.request
      request.isDryRun = false
      change(&request.engine)
      try request.prepare().run()
      return try loadTensors(scratch.file(path) + "/transformer").mapValues { Array($0.data) }
    }
    let expected = try merged("one") { $0.workers = 1 }
    #expect(expected.count > 50)
    let rows = try merged("rows") { $0.tileSize = TileSize(elementCount: 1, smallestRowCount: 1) }
    #expect(rows == expected)
    let odd = try merged("odd") {
      $0.tileSize = TileSize(elementCount: 90, smallestRowCount: 3)
      $0.workers = 3
      $0.collectsStatistics = true
    }
    #expect(odd == expected)
  }

  /// Rows with zeros behind what the base has of them.
  @Test func paddedRowsAreTheSameInEveryTile() throws {
    let cases = fixturesPath() + "/image/cases/"
    let scratch = try Scratch()
    func merged(_ path: String, _ size: TileSize) throws -> [UInt8]? {
      var request = try TestMerge(
        base: cases + "bases/flux-native.safetensors", adapter: cases + "flux-control-lora/adapter.safetensors",
        output: scratch.file(path)
      ).request
      request.isDryRun = false
      request.engine.tileSize = size
      try request.prepare().run()
      return try LoadedFile(scratch.file(path)).data("img_in.weight")
    }
    let expected = try #require(
      try LoadedFile(cases + "flux-control-lora/expected.safetensors").elements("img_in.weight"))
    let whole = try #require(try merged("one.safetensors", .standard))
    #expect(
      Elements.bits(whole, .bf16) == expected.map { Elements.narrow(Float(bitPattern: $0), .bf16) }
        && expected.count == 256)
    #expect(try merged("rows.safetensors", TileSize(elementCount: 1, smallestRowCount: 1)) == whole)
  }
}
