import Foundation
import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

@testable import Checkpoints

/// Shards `one` (tensors a, b) and `two` (tensor c) under an index that each test writes.
private struct Sharded {
  let scratch: Scratch
  let indexPath: String

  init(_ index: String, extra: (Scratch) throws -> Void = { _ in }) throws {
    scratch = try Scratch()
    try scratch.weights("a", "b", at: "one.safetensors")
    try scratch.weights("c", at: "two.safetensors")
    indexPath = try scratch.write(index, to: "model.safetensors.index.json")
    try extra(scratch)
  }

  var error: CheckpointError? { refusal(scratch.path) as? CheckpointError }
}

@Suite struct IndexTests {
  static let (one, two) = ("one.safetensors", "two.safetensors")

  static func map(_ entries: (String, String)...) -> String {
    let members = entries.map { "\"\($0.0)\":\"\($0.1)\"" }.joined(separator: ",")
    return "{\"metadata\":{\"total_size\":3},\"weight_map\":{\(members)}}"
  }

  /// transformers loads such a model, and nothing of it is lost.
  @Test func aTensorThatNoShardHasIsAWarning() throws {
    let sharded = try Sharded(
      Self.map(("a", Self.one), ("b", Self.one), ("c", Self.two), ("ghost", Self.two), ("other", Self.one)))
    let model = try Checkpoint(path: sharded.scratch.path)
    #expect(Set(model.tensorNames) == ["a", "b", "c"])
    #expect(model.warnings.count == 1)
    #expect(model.warnings.first?.contains("lists 2 tensors that no file contains: ghost, ...") == true)
  }

  @Test func agreesWithItsShards() throws {
    let sharded = try Sharded(Self.map(("c", Self.two), ("b", Self.one), ("a", Self.one)))
    let model = try Checkpoint(path: sharded.scratch.path)
    #expect(model.files.map(\.name) == [Self.one, Self.two])
    #expect(model.index?.weightMap.map(\.tensor) == ["c", "b", "a"])
    #expect(model.index?.weightMap.map(\.shard) == [1, 0, 0])
    #expect(model.index?.metadata == [JSONMember(key: "total_size", value: .integer(3))])
  }

  @Test(
    arguments: [
      (
        map(("a", one), ("c", two)), .tensorNotInIndex(shard: one), "b", ["in one.safetensors, but not in weight_map"]
      ),
      (
        map(("a", one), ("b", two), ("c", two)), .tensorInOtherShard(indexed: two, found: one), "b",
        ["two.safetensors", "it is in one.safetensors"]
      ),
      (
        map(("a", one), ("b", one), ("c", "three.safetensors")), .missingShard("three.safetensors"), nil,
        ["three.safetensors", "does not exist"]
      ),
      (map(("a", one), ("b", one), ("c", two), ("a", one)), .tensorIndexedTwice, "a", ["twice"]),
    ] as [(String, CheckpointError.Problem, TensorName?, [String])])
  func isCheckedBothWays(
    index: String, expected: CheckpointError.Problem, tensor: TensorName?, words: [String]
  ) throws {
    let sharded = try Sharded(index)
    let error = try #require(sharded.error)
    #expect(error.problem == expected)
    #expect(error.tensorName == tensor)
    #expect(error.path == sharded.indexPath)
    for word in words { #expect(error.message.contains(word)) }
  }

  /// Whatever the index says: even if it names the tensor twice itself.
  @Test(arguments: [
    map(("a", one), ("b", one), ("c", two)), map(("a", one), ("b", one), ("c", one), ("c", two)),
  ])
  func noTensorStandsInTwoShards(index: String) throws {
    let sharded = try Sharded(index) { try $0.weights("a", "b", "c", at: "one.safetensors") }
    let error = try #require(sharded.error)
    #expect(error.problem == .tensorInTwoShards(Self.one, Self.two))
    #expect(error.tensorName == "c")
    #expect(error.errorClass == "index")
  }

  @Test func namesAreComparedByTheirBytes() throws {
    let scratch = try Scratch()
    try scratch.weights("\u{e9}", "e\u{301}", at: "one.safetensors")
    let path = scratch.file("model.safetensors.index.json")
    try scratch.write(Self.map(("\u{e9}", Self.one), ("e\u{301}", Self.one)), to: "model.safetensors.index.json")
    #expect(try Checkpoint(path: path).tensorCount == 2)
    try scratch.write(Self.map(("\u{e9}", Self.one)), to: "model.safetensors.index.json")
    #expect(problem(path) == .tensorNotInIndex(shard: Self.one))
  }

  @Test(arguments: [
    ("", "schema"), ("[]", "schema"), ("null", "schema"), ("{", "json"), ("{}", "schema"), ("{}x", "json"),
    (#"{"metadata":{}}"#, "schema"), (#"{"weight_map":{}}"#, "schema"), (#"{"weight_map":[]}"#, "schema"),
    (#"{"weight_map":"one.safetensors"}"#, "schema"), (#"{"weight_map":{"a":1}}"#, "schema"),
    (#"{"weight_map":{"a":["one.safetensors"]}}"#, "schema"), (#"{"weight_map":{"a":null}}"#, "schema"),
    (#"{"weight_map":{"a":"one.safetensors",}}"#, "json"), (#"{"weight_map":{"a":"one.safetensors"}"#, "json"),
    (#"{"weight_map":{"a\u0000":"one.safetensors"}}"#, "index"),
    (#"{"weight_map":{"a":"one.safetensors"},"weight_map":{"a":"one.safetensors"}}"#, "duplicate-key"),
    (#"{"metadata":{"a":1,"a":2},"weight_map":{"a":"one.safetensors"}}"#, "duplicate-key"),
    (#"{"metadata":{"a":NaN},"weight_map":{"a":"one.safetensors"}}"#, "json"),
    (#"{"metadata":\#(String(repeating: "[", count: 200)),"weight_map":{}}"#, "json"),
  ])
  func refusesOtherFilesThanIndexes(text: String, errorClass: String) throws {
    let sharded = try Sharded(text)
    #expect(sharded.error?.errorClass == errorClass, "\(String(describing: sharded.error))")
    #expect(sharded.error?.path == sharded.indexPath)
    #expect(sharded.error?.category == .refusedInput)
  }

  @Test func refusesAHugeIndexUnread() throws {
    let sharded = try Sharded("{}")
    #expect(truncate(sharded.indexPath, 64 << 20 + 1) == 0)
    #expect(sharded.error?.problem == .fileTooLarge(byteCount: 64 << 20 + 1, limit: 64 << 20))
  }

  @Test func refusesHugeMetadata() throws {
    let long = String(repeating: "x", count: 1 << 20)
    let sharded = try Sharded(#"{"metadata":{"a":"\#(long)"},"weight_map":{"a":"one.safetensors"}}"#)
    #expect(sharded.error?.errorClass == "too-large")
  }

  @Test(arguments: [
    "../x.safetensors", "/abs.safetensors", "C:x.safetensors", #"\\\\unc\\x.safetensors"#, #"a\\b.safetensors"#,
    #"x\u0000.safetensors"#, #"x\u001b.safetensors"#, #"x\u007f.safetensors"#, "", ".", "..", "./x.safetensors",
    "a/../x.safetensors", "a/./x.safetensors", "a//x.safetensors", "sub/", "x.bin", "x.safetensors.index.json",
    "x.SAFETENSORS", ".../x.safetensors",
    // One character in Swift, "/" and an accent to the kernel.
    "../\u{301}x.safetensors", "/\u{301}x.safetensors", "a/../\u{301}x.safetensors",
    String(repeating: "a/", count: 2048) + "x.safetensors",
  ])
  func refusesNamesThatCouldLeaveTheFolder(name: String) throws {
    let sharded = try Sharded(#"{"weight_map":{"a":"\#(name)"}}"#)
    #expect(sharded.error?.errorClass == "shard-name", "\(String(describing: sharded.error))")
  }

  @Test func readsShardsOfASubfolder() throws {
    let scratch = try Scratch()
    try scratch.folder("sub")
    try scratch.weights("a", at: "sub/x.safetensors")
    try scratch.weights("b", at: "..x.safetensors")
    try scratch.write(
      Self.map(("a", "sub/x.safetensors"), ("b", "..x.safetensors")), to: "model.safetensors.index.json")
    #expect(try Checkpoint(path: scratch.path).files.map(\.name) == ["..x.safetensors", "sub/x.safetensors"])
  }

  @Test(arguments: [("X.safetensors", "x.safetensors"), ("\u{e9}.safetensors", "e\u{301}.safetensors")])
  func refusesNamesThatSomeFileSystemsTakeForOne(one: String, other: String) throws {
    let sharded = try Sharded(Self.map(("a", one), ("b", other)))
    guard case .collidingShardNames = sharded.error?.problem else {
      Issue.record("\(String(describing: sharded.error))")
      return
    }
  }

  @Test(arguments: ["llama-bf16-sharded", "llama-f32-sharded"]) func writesTheTextOfTransformers(name: String) throws {
    let folder = fixturesPath() + "/bases/" + name
    let model = try Checkpoint(path: folder)
    let index = try #require(model.index)
    let size = model.tensorNames.reduce(0) { sum, tensor in
      sum + (model.location(of: tensor).map { model.tensor(at: $0).byteCount } ?? 0)
    }
    func text(totalSize: Int) -> [UInt8] {
      CheckpointIndex.text(
        metadata: index.metadata, totalSize: totalSize,
        weightMap: index.weightMap.reversed().map { ($0.tensor, index.shardNames[$0.shard]) })
    }
    let expected = try contents(folder + "/model.safetensors.index.json")
    #expect(text(totalSize: size) == expected)
    let other = String(decoding: expected, as: UTF8.self)
      .replacingOccurrences(of: "\"total_size\": \(size)", with: "\"total_size\": 7")
    #expect(String(decoding: text(totalSize: 7), as: UTF8.self) == other)
  }

  @Test func writesMetadataEvenWhereThereWasNone() {
    let text = CheckpointIndex.text(metadata: [], totalSize: 5, weightMap: [("b", "y"), ("a", "x")])
    #expect(
      String(decoding: text, as: UTF8.self) == """
        {
          "metadata": {
            "total_size": 5
          },
          "weight_map": {
            "a": "x",
            "b": "y"
          }
        }

        """)
  }

  @Test func manyShardsAndTensors() throws {
    let scratch = try Scratch()
    var members: [String] = []
    for shard in 0..<100 {
      let name = "s\(shard).safetensors"
      let tensors = try (0..<20).map { number in
        (try HeaderEncoder.Tensor(name: TensorName("t\(shard).\(number)"), dtype: .u8, shape: [0]), [UInt8]())
      }
      try SafetensorsWriter.write(path: scratch.file(name), tensors: tensors)
      members += tensors.map { "\"\($0.0.name)\":\"\(name)\"" }
    }
    try scratch.write("{\"weight_map\":{\(members.joined(separator: ","))}}", to: "model.safetensors.index.json")
    #expect(try Checkpoint(path: scratch.path).tensorCount == 2000)
    try scratch.weights("t7.3", at: "s50.safetensors")
    #expect(problem(scratch.path) == .tensorInTwoShards("s50.safetensors", "s7.safetensors"))
  }
}
