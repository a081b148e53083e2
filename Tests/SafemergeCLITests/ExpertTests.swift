import Foundation
import JSONText
import Safetensors
import TestSupport
import Testing

/// An adapter for all experts of a layer on a base that has a file an expert, and not all of them.
@Suite struct ExpertTests {
  private static let folder = fixturesPath() + "/families/mixtral"

  /// The fixture's base without the tensors that `isLeftOut` names, in shards and index.
  private func base(_ scratch: Scratch, without isLeftOut: (String) -> Bool) throws -> String {
    let base = try scratch.folder("base")
    try write(try contents(Self.folder + "/base/config.json"), to: base + "/config.json")
    var shards: [(name: String, tensors: [TestTensor])] = []
    for name in try FileManager.default.contentsOfDirectory(atPath: Self.folder + "/base").sorted()
    where name.hasSuffix(".safetensors") {
      let tensors = try readTensors(Self.folder + "/base/" + name).filter { !isLeftOut($0.name) }
      if !tensors.isEmpty { shards.append((name, tensors)) }
    }
    for shard in shards { try writeFile(base + "/" + shard.name, shard.tensors) }
    try writeIndex(base, shards)
    return base
  }

  private func merge(_ base: String, _ scratch: Scratch) throws -> Program.Result {
    try Program.run(["merge", base, Self.folder + "/adapter", "-o", scratch.file("merged"), "-q"])
  }

  @Test func allAreThere() throws {
    let scratch = try Scratch()
    let base = try base(scratch) { _ in false }
    let result = try merge(base, scratch)
    #expect(result.status == 0, "\(result.messages)")
  }

  /// One matrix of an expert, in the middle and at the end; an expert in whole, the last of which only the adapter's rank
  /// tells; one kind of matrix of all.
  @Test(arguments: [
    (["experts.1.w3"], "1"), (["experts.3.w1"], "3"), (["experts.2.w2"], "2"), (["experts.0."], "0"),
    (["experts.3."], "3"), (["experts.2.", "experts.3."], "2"), (["w3.weight"], "0"),
  ]) func missingOnesAreNamed(parts: [String], expert: String) throws {
    let scratch = try Scratch()
    let base = try base(scratch) { name in parts.contains { name.contains($0) } }
    let before = try tree(scratch.path)
    let message = expectRefusal(try merge(base, scratch), status: 3, "\(parts)")
    #expect(message.contains("expert \(expert)"), "\(message)")
    #expect(message.contains("[no-target]\n"), "\(message)")
    #expect(try tree(scratch.path) == before, "nothing is written")
  }

  /// Without any the name itself is missing.
  @Test func noneAtAll() throws {
    let scratch = try Scratch()
    let base = try base(scratch) { $0.contains("experts.") }
    let before = try tree(scratch.path)
    let message = expectRefusal(try merge(base, scratch), status: 3)
    #expect(message.contains("model.layers.0.mlp.experts."), "\(message)")
    #expect(try tree(scratch.path) == before)
  }
}
