import Foundation
import Platform
import TestSupport
import Testing

@testable import Checkpoints
@testable import Staging

/// A base `base` with one file, an adapter `adapter`, and what else each test makes.
private struct Places {
  let scratch: Scratch
  let inputs: [String]

  init() throws {
    scratch = try Scratch()
    for name in ["base", "adapter"] { try scratch.folder(name) }
    try scratch.weights("a", at: "base/model.safetensors")
    try scratch.weights("b", at: "adapter/adapter_model.safetensors")
    inputs = ["base", "base/model.safetensors", "adapter", "adapter/adapter_model.safetensors"].map(scratch.file)
  }

  func problem(
    _ name: String, isFolder: Bool = true, force: Bool = false, inputs: [String]? = nil
  ) -> CheckpointError.Problem? {
    do throws(CheckpointError) {
      _ = try OutputPlace(
        path: name.hasPrefix("/") || name.isEmpty ? name : scratch.file(name), isFolder: isFolder,
        inputs: inputs ?? self.inputs, force: force)
      return nil
    } catch { return error.problem }
  }
}

@Suite struct OutputPlaceTests {
  @Test func freeNamesAreAccepted() throws {
    let places = try Places()
    #expect(places.problem("out") == nil)
    #expect(places.problem("out//") == nil)
    #expect(places.problem("base2") == nil, "a name that only begins like an input's")
    #expect(places.problem("ba") == nil)
    #expect(places.problem("base/out.safetensors", isFolder: false, inputs: [places.inputs[1]]) == nil)
    #expect(try OutputPlace(path: "/tmp/free//", isFolder: true, inputs: [], force: false).path == "/tmp/free")
  }

  @Test(
    arguments: [true, false],
    [
      "base", "base/", "base//", "./base", "adapter/../base", "link", "link/", "link/../base", "base/.", "base/../base",
    ])
  func everySpellingOfTheInputIsRefused(force: Bool, name: String) throws {
    let places = try Places()
    try places.scratch.link("link", to: "base")
    #expect(places.problem(name, force: force) == .outputIsInput(places.inputs[0]))
  }

  @Test(
    arguments: [true, false],
    [
      "base/model.safetensors", "./base//model.safetensors", "link/model.safetensors", "soft.safetensors",
      "hard.safetensors", "adapter/../base/model.safetensors", "two.safetensors",
    ])
  func everySpellingOfTheInputFileIsRefused(force: Bool, name: String) throws {
    let places = try Places()
    try places.scratch.link("link", to: "base")
    try places.scratch.link("soft.safetensors", to: "base/model.safetensors")
    try places.scratch.link("two.safetensors", to: "soft.safetensors")
    #expect(link(places.inputs[1], places.scratch.file("hard.safetensors")) == 0)
    // The base is given as a file here: a result may be next to it.
    let inputs = [places.inputs[1]] + places.inputs[2...]
    #expect(places.problem(name, isFolder: false, force: force, inputs: inputs) == .outputIsInput(inputs[0]))
  }

  @Test func placesInsideAndAroundTheInputsAreRefused() throws {
    let places = try Places()
    try places.scratch.link("link", to: "base")
    try places.scratch.folder("base/sub")
    for name in ["base/out", "base/sub/out", "link/out", "link/sub/../out", "base/sub", "base/\u{301}x"] {
      #expect(places.problem(name, force: true) == .outputInsideInput(places.inputs[0]), "\(name)")
    }
    #expect(places.problem("adapter/out") == .outputInsideInput(places.inputs[2]))
    #expect(places.problem(places.scratch.path, force: true) == .inputInsideOutput(places.inputs[0]))
    #expect(places.problem("base/..", force: true) == .inputInsideOutput(places.inputs[0]))
    #expect(places.problem("/", force: true) == .inputInsideOutput(places.inputs[0]))
    try places.scratch.folder("outer")
    try FileManager.default.moveItem(atPath: places.inputs[2], toPath: places.scratch.file("outer/adapter"))
    let moved = places.scratch.file("outer/adapter")
    #expect(places.problem("outer", force: true, inputs: [moved]) == .inputInsideOutput(moved))
    #expect(places.problem("outer/x", force: true, inputs: [moved]) == nil)
  }

  @Test func existingOutputIsNotReplacedByDefault() throws {
    let places = try Places()
    let scratch = places.scratch
    try scratch.folder("empty")
    try scratch.folder("model")
    try scratch.weights("a", at: "model/model.safetensors")
    try scratch.write("x", to: "file")
    try scratch.write("x", to: "file.safetensors")
    try scratch.folder("folder.safetensors")
    try scratch.link("dangling", to: "nothing")
    try scratch.link("dangling.safetensors", to: "nothing")
    try scratch.link("to-empty", to: "empty")
    #expect(places.problem("empty") == nil)
    #expect(places.problem("model") == .outputExists)
    #expect(places.problem("model", force: true) == nil)
    #expect(places.problem("file.safetensors", isFolder: false) == .outputExists)
    #expect(places.problem("file.safetensors", isFolder: false, force: true) == nil)
    for force in [false, true] {
      for name in ["file", "dangling", "to-empty"] {
        let found = name == "file" ? "a file" : "a link or a special file"
        #expect(places.problem(name, force: force) == .outputInTheWay(found: found, wanted: "a folder"), "\(name)")
      }
      for name in ["folder.safetensors", "dangling.safetensors"] {
        let found = name.hasPrefix("folder") ? "a folder" : "a link or a special file"
        #expect(
          places.problem(name, isFolder: false, force: force) == .outputInTheWay(found: found, wanted: "a file"),
          "\(name)")
      }
      #expect(places.problem("empty/.", force: force) == .outputWithoutName)
      #expect(places.problem("empty/..", force: force, inputs: []) == .outputWithoutName)
    }
  }

  /// The commands that write adapters replace them, and merges do not.
  @Test func furtherNamesAreReplacedWhereTheyAreGiven() throws {
    let places = try Places()
    try places.scratch.write("x", to: "out/adapter_model.safetensors")
    try places.scratch.write("{}", to: "out/adapter_config.json")
    #expect(places.problem("out", force: true) == .outputNotReplaceable(entry: "adapter_config.json"))
    func place(force: Bool) throws -> OutputPlace {
      try OutputPlace(
        path: places.scratch.file("out"), isFolder: true, inputs: places.inputs, force: force,
        replacedNames: ["adapter_config.json"])
    }
    #expect(try place(force: true).replaces)
    #expect(throws: CheckpointError.self) { try place(force: false) }
    try places.scratch.write("x", to: "out/optimizer.pt")
    #expect(throws: CheckpointError.self) { try place(force: true) }
  }

  @Test func forceReplacesNothingButAModel() throws {
    let places = try Places()
    let scratch = places.scratch
    let parts = [
      "model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "config.json",
      "tokenizer.json", "README.md", "LICENSE", "chat_template.jinja",
    ]
    try scratch.folder("out/additional_chat_templates")
    try scratch.folder("out/1_Pooling")
    try scratch.write("x", to: "out/additional_chat_templates/a.jinja")
    try scratch.write("x", to: "out/1_Pooling/config.json")
    for name in parts { try scratch.write("x", to: "out/" + name) }
    #expect(places.problem("out", force: true) == nil)
    for name in ["notes.txt", "optimizer.pt", ".ssh", "config.json.bak", "1_Pooling/thesis.tex", "1_Pooling/.git"] {
      try scratch.write("x", to: "out/" + name)
      #expect(places.problem("out", force: true) == .outputNotReplaceable(entry: name))
      try FileManager.default.removeItem(atPath: scratch.file("out/" + name))
    }
    for (folder, entry) in [
      ("checkpoint-1", "checkpoint-1"), ("2024_photos/a.jpg", "2024_photos/a.jpg"), ("x.py", "x.py"),
      ("LICENSES", "LICENSES"), ("1_Pooling/x/config.json", "1_Pooling/x"),
    ] {
      try scratch.folder("out/" + folder)
      #expect(places.problem("out", force: true) == .outputNotReplaceable(entry: entry))
      try FileManager.default.removeItem(atPath: scratch.file("out/" + entry))
    }
    #expect(places.problem("out", force: true) == nil)
  }

  @Test func namesMustFitWhatIsWritten() throws {
    let places = try Places()
    #expect(places.problem("out.safetensors") == .outputLooksLikeFile)
    #expect(places.problem("out.safetensors/") == .outputLooksLikeFile)
    #expect(places.problem("out", isFolder: false) == .outputNotASafetensorsName)
    #expect(places.problem("out.bin", isFolder: false) == .outputNotASafetensorsName)
    #expect(places.problem("") == .notFound)
  }

  @Test func theFolderAroundItMustExist() throws {
    let places = try Places()
    try places.scratch.write("x", to: "file")
    try places.scratch.link("dangling", to: "nothing")
    for name in ["missing/out", "missing/../out", "missing/inner/out"] {
      #expect(places.problem(name) == .noParentFolder, "\(name)")
      #expect(places.problem(name + ".safetensors", isFolder: false) == .noParentFolder, "\(name)")
    }
    // No folder can be made there.
    for (name, obstacle) in [("file/out", "file"), ("dangling/out", "dangling"), ("file/inner/out", "file")] {
      let problem = CheckpointError.Problem.parentNotAFolder(places.scratch.file(obstacle))
      #expect(places.problem(name) == problem, "\(name)")
      #expect(places.problem(name + ".safetensors", isFolder: false) == problem, "\(name)")
    }
    // A hint to make the folder would be followed in vain.
    #expect(places.problem("base/missing/out") == .outputInsideInput(places.inputs[0]))
    #expect(places.problem("base/missing/inner/out") == .outputInsideInput(places.inputs[0]))
  }

  /// What lies in a folder of unfinished work goes with it, or keeps it from going.
  @Test(arguments: [".x.safemerge", ".x.safemerge-parts"]) func unfinishedWorkHoldsNoOutput(_ name: String) throws {
    let places = try Places()
    let work = places.scratch.file(name)
    #expect(places.problem(name + "/out") == .outputInsideWork(work))
    try places.scratch.folder(name + "/inner")
    #expect(places.problem(name + "/inner/out") == .outputInsideWork(work))
    #expect(places.problem("base.safemerge") == nil)
  }

  @Test func aNameIsSuggested() throws {
    for (path, hint) in [(".", "./merged"), ("..", "../merged"), ("a/.", "a/merged"), ("a/..", "a/../merged")] {
      let error = CheckpointError(path: path, .outputWithoutName)
      #expect(error.hint == "give the output a name, such as \(hint)")
    }
  }

  #if os(Linux)
  @Test func aMountedFileSystemCannotBeReplaced() throws {
    guard case .mountNotEmpty = try Places().problem("/proc", force: true) else {
      Issue.record("/proc was accepted")
      return
    }
  }
  #endif

  @Test(arguments: [
    ("a/b", "a", "b"), ("a/b//", "a", "b"), ("a", ".", "a"), ("/a", "/", "a"), ("/", "/", ""), ("//a", "/", "a"),
    ("a//b", "a", "b"), ("", ".", ""), ("a/\u{301}b", "a", "\u{301}b"), ("./a", ".", "a"),
  ])
  func pathsAreSplitByBytes(path: String, folder: String, last: String) {
    #expect(Paths.folder(path) == folder)
    #expect(Paths.lastComponent(path) == last)
  }

  @Test func pathsLieBeneathOthersByBytes() {
    #expect(Paths.isBeneath("/a/b", "/a"))
    #expect(Paths.isBeneath("/a", "/a"))
    #expect(Paths.isBeneath("/a", "/"))
    #expect(Paths.isBeneath("/a/\u{301}b", "/a"))
    #expect(!Paths.isBeneath("/ab", "/a"))
    #expect(!Paths.isBeneath("/e\u{301}", "/\u{e9}"))
    #expect(!Paths.isBeneath("/a", "/a/b"))
  }
}
