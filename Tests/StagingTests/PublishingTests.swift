import Checkpoints
import Platform
import TestSupport
import Testing

@testable import Staging

/// The step in which a complete result is moved into place, without a merge around it.
@Suite struct PublishingTests {
  /// A staging folder with a complete result of these files.
  private func made(_ scratch: Scratch, _ output: String, isFolder: Bool, _ files: [String]) throws -> StagingPaths {
    let paths = StagingPaths(folder: try scratch.folder(".\(output).safemerge"), isFolder: isFolder)
    try scratch.folder(".\(output).safemerge/result")
    try scratch.folder(".\(output).safemerge/partial")
    for file in files { try paths.write(Array(file.utf8), to: Paths.join(paths.result, file)) }
    return paths
  }

  private func publish(_ scratch: Scratch, _ output: String, _ paths: StagingPaths, force: Bool = false) throws {
    let place = try OutputPlace(path: scratch.file(output), isFolder: paths.isFolder, inputs: [], force: force)
    try Publishing(place: place, paths: paths).publish(lastName: nil)
  }

  @Test func aFolderIsMovedIntoPlace() throws {
    let scratch = try Scratch()
    let paths = try made(scratch, "out", isFolder: true, ["config.json", "model.safetensors"])
    try publish(scratch, "out", paths)
    #expect(try scratch.entries("out") == ["config.json", "model.safetensors"])
    #expect(try contents(scratch.file("out/config.json")) == Array("config.json".utf8))
    #expect(try scratch.entries(".out.safemerge") == ["partial"])
  }

  /// The old model ends up in the staging folder, which goes afterwards.
  @Test func aModelIsReplacedInOneStep() throws {
    let scratch = try Scratch()
    try scratch.folder("out")
    try scratch.write("old", to: "out/model.safetensors")
    let paths = try made(scratch, "out", isFolder: true, ["model.safetensors"])
    try scratch.write("plan", to: ".out.safemerge/plan.json")
    try publish(scratch, "out", paths, force: true)
    #expect(try contents(scratch.file("out/model.safetensors")) == Array("model.safetensors".utf8))
    // What lies in `result` now is not work that a run may resume.
    #expect(try !scratch.entries(".out.safemerge").contains("plan.json"))
  }

  @Test func oneFileIsMovedIntoPlace() throws {
    let scratch = try Scratch()
    for isThere in [false, true] {
      let paths = try made(scratch, "out.safetensors", isFolder: false, ["model.safetensors"])
      if isThere { try scratch.write("old", to: "out.safetensors") }
      try publish(scratch, "out.safetensors", paths, force: isThere)
      #expect(try contents(scratch.file("out.safetensors")) == Array("model.safetensors".utf8))
    }
  }

  /// What came to be at the place since it was looked at is neither replaced nor removed.
  @Test func whatCameInBetweenStays() throws {
    let scratch = try Scratch()
    let paths = try made(scratch, "out", isFolder: true, ["model.safetensors"])
    let place = try OutputPlace(path: scratch.file("out"), isFolder: true, inputs: [], force: false)
    try scratch.folder("out")
    try scratch.write("theirs", to: "out/notes.txt")
    #expect(throws: CheckpointError(path: scratch.file("out"), .outputExists)) {
      try Publishing(place: place, paths: paths).publish(lastName: nil)
    }
    #expect(try scratch.entries("out") == ["notes.txt"])
    #expect(try scratch.entries(".out.safemerge/result") == ["model.safetensors"])
  }

  /// A run that was killed between two renames left the old model out of the way: it is put back, unless the result is there.
  @Test(arguments: [false, true]) func whatWasOutOfTheWayIsPutBack(resultIsThere: Bool) throws {
    let scratch = try Scratch()
    let paths = try made(scratch, "out", isFolder: true, [])
    try scratch.folder(".out.safemerge/old")
    try scratch.write("old", to: ".out.safemerge/old/model.safetensors")
    if resultIsThere {
      try scratch.folder("out")
      try scratch.write("new", to: "out/model.safetensors")
    }
    try Publishing.restore(paths, output: scratch.file("out"), isMountPoint: false)
    #expect(
      try contents(scratch.file("out/model.safetensors")) == Array((resultIsThere ? "new" : "old").utf8))
    #expect(try scratch.entries(".out.safemerge").contains("old") == resultIsThere)
  }

  /// The record of a shard in a folder has a name of one component, and no two shards share one.
  @Test func recordsHaveNamesOfTheirOwn() {
    let paths = StagingPaths(folder: "/s", isFolder: true)
    let names = ["a", "a/b", "a%2Fb", "a%252Fb", "a%/b"]
    let records = names.map { paths.record(of: $0) }
    #expect(Set(records).count == names.count)
    #expect(records[1] == "/s/parts/a%2Fb.json")
    for record in records { #expect(Paths.folder(record) == "/s/parts") }
  }
}
