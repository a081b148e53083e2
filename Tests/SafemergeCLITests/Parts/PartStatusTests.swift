import Foundation
import TestSupport
import Testing

/// What `status` says of an output and of the parts beside it, and the exit code that a script goes by.
@Suite struct PartStatusTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private static let base = basePath("llama-bf16-sharded")

  private func run(_ arguments: [String]) throws -> Program.Result { try Program.run(arguments, folder: scratch.path) }

  /// Writes parts of the merge with a weight of the adapter.
  private func part(_ part: String, weight: String = "1") throws {
    let adapter = adapterPath("linear-bf16") + (weight == "1" ? "" : "=" + weight)
    let result = try run(["merge", Self.base, adapter, "-o", "merged", "--part", part, "--quiet"])
    try #require(result.status == 0, "\(result.messages)")
  }

  private func merge() throws {
    let result = try run(["merge", Self.base, adapterPath("linear-bf16"), "-o", "merged", "--quiet"])
    try #require(result.status == 0, "\(result.messages)")
  }

  private func status(_ output: String = "merged") throws -> (status: Int32, text: String, json: String) {
    let (text, json) = (try run(["status", output]), try run(["status", "--json", output]))
    #expect(text.status == json.status && text.messages.isEmpty && json.messages.isEmpty, "\(text.messages)")
    return (text.status, text.text, json.text)
  }

  private func plans() throws -> [String] {
    try scratch.entries(".merged.safemerge-parts").map { ".merged.safemerge-parts/" + $0 }
  }

  /// Only a folder with the record of a merge is a result.
  @Test func whatIsThereIsNotAlwaysAResult() throws {
    try scratch.folder("empty")
    try scratch.write("", to: "file")
    try scratch.write("x", to: "foreign/notes.txt")
    try scratch.write("{}", to: "recorded/.safemerge.json")
    try scratch.write("[", to: "damaged/.safemerge.json")
    try scratch.folder("folder/.safemerge.json")
    try FileManager.default.createSymbolicLink(atPath: scratch.file("link"), withDestinationPath: "nothing")
    for output in [
      "empty", "empty/", "file", "foreign", "recorded", "damaged", "folder", "link", ".", "..", "/", Self.base,
    ] {
      let found = try status(output)
      #expect(found.status == 3, "\(output)")
      #expect(found.text.hasPrefix("\(output): is there, and is not the result of a merge"), "\(found.text)")
      #expect(found.json.contains(#""merged":false,"found":"\#(output.hasPrefix("empty") ? "empty" : "other")""#))
    }
    let nothing = try status("nothing")
    #expect(nothing.status == 3 && nothing.text == "nothing: no parts of a merge\n")
    #expect(nothing.json.contains(#""merged":false,"found":"nothing""#))
    try merge()
    for output in ["merged", "merged//", "./merged", "merged/."] {
      let found = try status(output)
      #expect(found.status == 0 && found.text == "\(output): the result is there; no parts are left\n")
      #expect(found.json.contains(#""merged":true,"found":"result","plans":[]"#))
    }
    // A mounted folder into which a result is being moved.
    try scratch.write("model.safetensors\n", to: "merged/.safemerge-incomplete")
    #expect(try status().status == 3)
  }

  /// A result that has lost files is not there, and no advice removes the parts that it can be made of.
  @Test func aDamagedResultIsNotThere() throws {
    for part in 0..<2 { try self.part("\(part)/2") }
    try merge()
    let weights = "merged/model-00002-of-00004.safetensors"
    let index = "merged/model.safetensors.index.json"
    for (path, bytes) in [(index, nil), (weights, nil), (weights, [1, 2])] as [(String, [UInt8]?)] {
      let whole = try contents(scratch.file(path))
      try FileManager.default.removeItem(atPath: scratch.file(path))
      if let bytes { try scratch.write(bytes, to: path) }
      let name = path.split(separator: "/")[1]
      let found = try status()
      #expect(found.status == 3 && found.text.hasPrefix("merged: the result of a merge that is damaged\n"))
      #expect(found.text.contains("  missing, or of another size  \(name)\n"), "\(found.text)")
      #expect(!found.text.contains("clean") && found.text.contains("move merged away first"), "\(found.text)")
      #expect(found.json.contains(#""merged":false,"found":"damaged""#))
      #expect(found.json.hasSuffix(#""missing":["\#(name)"]}"# + "\n"), "\(found.json)")
      try scratch.write(whole, to: path)
    }
    // A configuration that was edited is no damage.
    try scratch.write("{}", to: "merged/config.json")
    #expect(try status().status == 0)
  }

  /// A result comes first, whatever is left beside it.
  @Test func aResultWithPartsBesideItIsThere() throws {
    try part("0/2")
    try part("0/2", weight: "0.5")
    #expect(try status().status == 3)
    try merge()
    let found = try status()
    #expect(found.status == 0 && found.text.hasPrefix("merged: the result is there; parts are left over\n"))
    #expect(found.text.contains("left over of this result: merge --finish removes them"), "\(found.text)")
    #expect(found.text.contains("left over of another merge"), "\(found.text)")
    #expect(found.text.hasSuffix("safemerge clean merged --yes\n") && !found.text.contains("missing"), "\(found.text)")
    #expect(found.json.contains(#""merged":true"#) && found.json.contains(#""made_result":true"#), "\(found.json)")
    #expect(found.json.contains(#""made_result":false"#), "\(found.json)")
    #expect(try run(["clean", "merged", "--yes"]).status == 0)
    #expect(try status().text == "merged: the result is there; no parts are left\n")
  }

  /// Of two plans, both must be complete: which one is to be finished only a person knows.
  @Test func twoPlansAreCompleteWhenBothAre() throws {
    try part("0/1")
    #expect(try status().status == 0)
    try part("0/2", weight: "0.5")
    let found = try status()
    #expect(found.status == 3 && found.text.contains("4 of 4 weight files complete"), "\(found.text)")
    #expect(found.text.contains("2 of 4 weight files complete") && found.text.contains("run the merge with --finish"))
    try part("1/2", weight: "0.5")
    #expect(try status().status == 0)
  }

  /// All parts are complete, and `--finish` would not replace what has the output's name.
  @Test func somethingElseIsInTheWay() throws {
    try part("0/1")
    try scratch.folder("merged")
    #expect(try status().status == 0)
    try scratch.write("x", to: "merged/notes.txt")
    let found = try status()
    #expect(found.status == 3 && found.text.hasPrefix("merged: is there, and is not the result of a merge\n"))
    #expect(found.text.hasSuffix("merge --finish replaces nothing: move merged away first\n"), "\(found.text)")
    #expect(!found.text.contains("run the merge with --finish"), "\(found.text)")
  }

  /// A folder from which `clean` or a finisher was killed has no list of its weight files.
  @Test func aPlanThatWasRemovedInPartIsNotComplete() throws {
    try part("0/1")
    let plan = try #require(try plans().first)
    for (name, words) in [("files.json", "4 weight files complete"), ("parts", "no weight file"), ("plan.json", "no")] {
      try FileManager.default.removeItem(atPath: scratch.file("\(plan)/\(name)"))
      let found = try status()
      #expect(found.status == 3 && found.text.contains("just begun, or removed in part: \(words)"), "\(found.text)")
      #expect(found.text.contains("no list of all") && !found.text.contains(" of 0 "), "\(found.text)")
      #expect(found.json.contains(#""complete":false,"whole":false"#), "\(found.json)")
    }
    #expect(try status().json.contains(#""version":null"#))
    // Parts make it whole again.
    try part("0/1")
    #expect(try status().status == 0)
  }

  /// A record counts with its data alone.
  @Test func dataThatIsGoneIsMissing() throws {
    try part("0/1")
    let work = try #require(try plans().first) + "/work"
    let name = try #require(try scratch.entries(work).first)
    let bytes = try contents(scratch.file("\(work)/\(name)"))
    try scratch.write(bytes.dropLast(), to: "\(work)/\(name)")
    for _ in 0..<2 {
      let found = try status()
      #expect(found.status == 3 && found.text.contains("3 of 4 weight files complete"), "\(found.text)")
      try? FileManager.default.removeItem(atPath: scratch.file("\(work)/\(name)"))
    }
    try part("0/1")
    #expect(try status().status == 0)
  }

  /// What may not be looked into is not nothing.
  @Test(.enabled(if: Confined.isPossible, "setpriv is missing")) func closedFoldersAreErrors() throws {
    try part("0/1")
    try merge()
    try scratch.folder("closed/around")
    for name in [".merged.safemerge-parts", "merged", "closed"] {
      try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: scratch.path)
      try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: scratch.file(name))
      defer { try? FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: scratch.file(name)) }
      let output = name == "closed" ? "closed/merged" : "merged"
      for command in ["status", "clean"] where name != "merged" || command == "status" {
        let result = try Program.run([command, output], shell: Confined.shell(), folder: scratch.path)
        let message = expectRefusal(result, status: 4, "\(command) \(name)")
        #expect(message.contains("Permission denied [system]") && message.contains(name), "\(message)")
        #expect(result.text.isEmpty, "\(result.text)")
      }
    }
  }
}
