import Foundation
import Safetensors
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct StagedOutputTests {
  private func staged(_ scratch: Scratch, _ name: String, force: Bool = false) throws -> StagedOutput {
    try StagedOutput(
      try OutputPlace(
        path: scratch.file(name), isFolder: !name.hasSuffix(".safetensors"), inputs: [], force: force))
  }

  /// Writes a shard, a shard in a sub-folder and a side file.
  private func fill(_ output: StagedOutput, _ scratch: Scratch) throws {
    for (name, bytes) in [("a.safetensors", [1, 2, 3]), ("sub/b.safetensors", [4])] as [(String, [UInt8])] {
      let file = try output.createFile(name, byteCount: bytes.count)
      try file.write(bytes.span.bytes, at: 0)
      try output.commit(file)
    }
    try output.write("config.json", Array("{}".utf8))
    let source = try Scratch()
    try source.folder("additional_chat_templates")
    try source.write("{{ x }}", to: "additional_chat_templates/x.jinja")
    for file in try SideFiles(base: source.path, weightFiles: [], adapter: nil).files { try output.copy(file) }
  }

  static let content = [
    "a.safetensors", "additional_chat_templates", "additional_chat_templates/x.jinja", "config.json", "sub",
    "sub/b.safetensors",
  ]

  @Test(arguments: [false, true]) func appearsWhole(isThere: Bool) throws {
    let scratch = try Scratch()
    if isThere { try scratch.folder("out") }
    let output = try staged(scratch, "out")
    try fill(output, scratch)
    #expect((try? scratch.tree("out")) == (isThere ? [] : nil), "nothing is to be seen of it yet")
    let staging = try FileManager.default.contentsOfDirectory(atPath: scratch.path).filter { $0 != "out" }
    #expect(try staging.map { try mode(scratch.file($0)) } == [0o700])
    try output.finish()
    #expect(try scratch.tree("out") == Self.content)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["out"])
    #expect(try contents(scratch.file("out/a.safetensors")) == [1, 2, 3])
    #expect(try contents(scratch.file("out/sub/b.safetensors")) == [4])
    #expect(try contents(scratch.file("out/additional_chat_templates/x.jinja")) == Array("{{ x }}".utf8))
  }

  @Test(arguments: [0o022, 0o077, 0o002]) func hasTheModesThatTheUmaskLeaves(mask: Int) async {
    await #expect(processExitsWith: .success) { [mask] in
      umask(mode_t(mask))
      let scratch = try Scratch()
      let tests = StagedOutputTests()
      let output = try tests.staged(scratch, "out")
      try tests.fill(output, scratch)
      try output.finish()
      for name in ["out", "out/sub", "out/additional_chat_templates"] {
        #expect(try mode(scratch.file(name)) == 0o777 & ~mask)
      }
      for name in StagedOutputTests.content where name.contains(".") {
        #expect(try mode(scratch.file("out/" + name)) == 0o666 & ~mask)
      }
    }
  }

  @Test(arguments: ["out", "out.safetensors"]) func leavesNothingWhenItIsAbandoned(name: String) throws {
    let scratch = try Scratch()
    func interrupted() throws {
      let output = try staged(scratch, name)
      if name == "out" { try fill(output, scratch) }
      let file = try output.createFile("c.safetensors", byteCount: 10)
      try file.write(([1] as [UInt8]).span.bytes, at: 0)
      #expect(try !scratch.tree().isEmpty)
      throw CancellationError()
    }
    #expect(throws: CancellationError.self) { try interrupted() }
    #expect(try scratch.tree() == [])
  }

  @Test func aSingleFileAppearsWhole() throws {
    let scratch = try Scratch()
    let output = try staged(scratch, "out.safetensors")
    let file = try output.createFile("ignored", byteCount: 2)
    try file.write(([1, 2] as [UInt8]).span.bytes, at: 0)
    #expect(try !scratch.tree().contains("out.safetensors"))
    try output.commit(file)
    try output.finish()
    #expect(try scratch.tree() == ["out.safetensors"])
    #expect(try contents(scratch.file("out.safetensors")) == [1, 2])
  }

  @Test func aSingleFileReplacesOnlyWithForce() throws {
    let scratch = try Scratch()
    func write(force: Bool, meanwhile: () throws -> Void = {}) throws {
      let output = try staged(scratch, "out.safetensors", force: force)
      let file = try output.createFile("", byteCount: 1)
      try file.write(([7] as [UInt8]).span.bytes, at: 0)
      try meanwhile()
      try output.commit(file)
    }
    #expect(throws: CheckpointError(path: scratch.file("out.safetensors"), .outputExists)) {
      try write(force: false) { try scratch.write("old", to: "out.safetensors") }
    }
    #expect(try contents(scratch.file("out.safetensors")) == Array("old".utf8))
    try write(force: true)
    #expect(try scratch.tree() == ["out.safetensors"])
    #expect(try contents(scratch.file("out.safetensors")) == [7])
  }

  @Test func aFolderIsReplacedWhole() throws {
    let scratch = try Scratch()
    try scratch.folder("out/1_Pooling")
    try scratch.weights("a", at: "out/model.safetensors")
    try scratch.write("{}", to: "out/1_Pooling/config.json")
    let output = try staged(scratch, "out", force: true)
    try fill(output, scratch)
    #expect(try scratch.tree("out").contains("model.safetensors"))
    try output.finish()
    #expect(try scratch.tree("out") == Self.content)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["out"])
  }

  /// What came to stand there while the merge ran is not lost: neither another merge's result nor foreign files.
  @Test(
    arguments: [
      (false, false, "model.safetensors", .outputExists), (true, false, "model.safetensors", .outputExists),
      (true, true, "thesis.tex", .outputNotReplaceable(entry: "thesis.tex")),
    ] as [(Bool, Bool, String, CheckpointError.Problem)])
  func aRaceIsLostWithoutDamage(
    isThere: Bool, force: Bool, name: String, expected: CheckpointError.Problem
  ) throws {
    let scratch = try Scratch()
    if isThere { try scratch.folder("out") }
    if force { try scratch.weights("a", at: "out/model.safetensors") }
    do {
      let output = try staged(scratch, "out", force: force)
      try fill(output, scratch)
      try scratch.folder("out")
      try scratch.write("theirs", to: "out/" + name)
      #expect(throws: CheckpointError(path: scratch.file("out"), expected)) { try output.finish() }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["out"], "no staging is left")
    #expect(try contents(scratch.file("out/" + name)) == Array("theirs".utf8))
  }

  @Test func aFileInTheWayIsKept() throws {
    let scratch = try Scratch()
    do {
      let output = try staged(scratch, "out")
      try scratch.write("theirs", to: "out")
      #expect(throws: CheckpointError(path: scratch.file("out"), .outputExists)) { try output.finish() }
    }
    #expect(try scratch.tree() == ["out"])
  }

  /// The staging folder goes away under the running merge: what stood there before stays.
  @Test func aFailingRenameKeepsTheOld() throws {
    let scratch = try Scratch()
    try scratch.folder("out")
    try scratch.weights("a", at: "out/model.safetensors")
    do {
      let output = try staged(scratch, "out", force: true)
      let staging = try #require(try scratch.tree().first { $0 != "out" && !$0.contains("/") })
      try FileManager.default.moveItem(atPath: scratch.file(staging), toPath: scratch.file("moved"))
      #expect(throws: CheckpointError.self) { try output.finish() }
    }
    #expect(try scratch.tree("out") == ["model.safetensors"])
    #expect(try scratch.tree("moved") == [])
  }

  @Test func twoOfTheSameNameDoNotMeet() throws {
    let scratch = try Scratch()
    let (first, second) = (try staged(scratch, "out"), try staged(scratch, "out"))
    try fill(first, scratch)
    try second.write("config.json", [1])
    try first.finish()
    #expect(throws: CheckpointError(path: scratch.file("out"), .outputExists)) { try second.finish() }
    #expect(try scratch.tree("out") == Self.content)
  }
}
