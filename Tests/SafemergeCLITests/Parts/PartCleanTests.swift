import Foundation
import TestSupport
import Testing

/// Parts that `clean` lists and removes.
@Suite struct PartCleanTests {
  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private static let top = ".merged.safemerge-parts"

  private func run(_ arguments: [String]) throws -> Program.Result { try Program.run(arguments, folder: scratch.path) }

  private func part(_ part: String, weight: String = "1") throws {
    let adapter = adapterPath("linear-bf16") + "=" + weight
    let base = basePath("llama-bf16-sharded")
    let result = try run(["merge", base, adapter, "-o", "merged", "--part", part, "--quiet"])
    try #require(result.status == 0, "\(result.messages)")
  }

  private func plans() throws -> [String] { try scratch.entries(Self.top).map { Self.top + "/" + $0 } }

  /// Changes what the parts of a plan say about who writes them.
  private func change(_ plan: String, _ changes: [(pattern: String, text: String)]) throws {
    for name in try scratch.entries(plan + "/runs") {
      var text = String(decoding: try contents(scratch.file("\(plan)/runs/\(name)")), as: UTF8.self)
      for change in changes {
        let place = try #require(text.range(of: change.pattern, options: .regularExpression))
        text.replaceSubrange(place, with: change.text)
      }
      try scratch.write(text, to: "\(plan)/runs/\(name)")
    }
  }

  private func move(_ plan: String, to host: String) throws {
    try change(plan, [(#""host":"[^"]*""#, #""host":"\#(host)""#)])
  }

  /// `--break-lock` is for locks whose process is not known to run.
  @Test func aPartThatRunsHereKeepsItsWork() throws {
    try part("0/2")
    let plan = try #require(try plans().first)
    let process = ProcessInfo.processInfo.processIdentifier
    try change(plan, [(#""pid":\d+"#, #""pid":\#(process)"#), (#""start":"[^"]*""#, #""start":"""#)])
    let before = try tree(scratch.path)
    #expect(try run(["clean", "merged"]).text.contains("in use by a running merge, process \(process)"))
    for more in [["--yes"], ["--yes", "--break-lock"]] {
      for path in ["merged", ".", plan] {
        let message = expectRefusal(try run(["clean", path, "--quiet"] + more), status: 5, "\(path) \(more)")
        #expect(message.contains("[in-use]") && message.contains("process \(process)"), "\(message)")
      }
    }
    #expect(try tree(scratch.path) == before)
  }

  /// A finisher needs the parts although all of them have ended.
  @Test func aFinisherKeepsTheWork() throws {
    for part in 0..<2 { try self.part("\(part)/2") }
    let plan = try #require(try plans().first)
    let run = try #require(try scratch.entries(plan + "/runs").first)
    let finisher = scratch.file(plan + "/runs/finish-0123456789abcdef.json")
    try FileManager.default.copyItem(atPath: scratch.file("\(plan)/runs/\(run)"), toPath: finisher)
    // It was killed, or its machine was.
    #expect(try self.run(["clean", "merged"]).text.hasSuffix("4 weight files complete\n"))
    try move(plan, to: "node7")
    #expect(
      try self.run(["clean", "merged"]).text.hasSuffix("4 weight files complete, parts may still run on node7\n"))
    let process = ProcessInfo.processInfo.processIdentifier
    let text = String(decoding: try contents(scratch.file("\(plan)/runs/\(run)")), as: UTF8.self)
    try FileManager.default.removeItem(atPath: finisher)
    try self.part("0/2")
    let here = try #require(try scratch.entries(plan + "/runs").first { $0 != run })
    try FileManager.default.moveItem(atPath: scratch.file("\(plan)/runs/\(here)"), toPath: finisher)
    try change(plan, [(#""pid":\d+"#, #""pid":\#(process)"#), (#""start":"[^"]*""#, #""start":"""#)])
    try scratch.write(text, to: "\(plan)/runs/\(run)")
    let message = expectRefusal(try self.run(["clean", "merged", "--yes", "-q"]), status: 5)
    #expect(message.contains("[in-use]") && message.contains("process \(process)"), "\(message)")
  }

  /// No lock can tell whether a part runs on another machine: the warning comes with the removal.
  @Test func machinesOfPartsAreNamed() throws {
    try part("0/2")
    let plan = try #require(try plans().first)
    // A part of this machine that has ended is nobody's loss.
    let own = try run(["clean", "merged"])
    #expect(own.status == 0 && own.text.hasSuffix("2 weight files complete\n"), "\(own.text)")
    try move(plan, to: "node7")
    try part("0/2")
    let listed = try run(["clean", "merged"])
    #expect(listed.text.hasSuffix("2 weight files complete, parts may still run on node7\n"), "\(listed.text)")
    #expect(try run(["clean", "merged", "--json"]).text.contains(#""in_use":false,"hosts":["node7"]"#))
    // What is complete nobody writes any more.
    try part("1/2")
    try move(plan, to: "node7")
    #expect(try !run(["clean", "merged"]).text.contains("node7"))
    try FileManager.default.removeItem(atPath: scratch.file(plan + "/parts/00001.json"))
    let removed = try run(["clean", "merged", "--yes"])
    #expect(removed.status == 0 && removed.text.hasPrefix("removed "), "\(removed.text)")
    #expect(
      removed.messages
        == "warning: ./\(Self.top): parts and finishers that still run on node7 fail; start them again\n")
    #expect(try scratch.entries() == [])
  }

  /// The path that `status` prints is that of one plan.
  @Test func onePlanIsRemoved() throws {
    try part("0/2")
    let first = try #require(try plans().first)
    try part("0/2", weight: "0.5")
    let second = try #require(try plans().first { $0 != first })
    try scratch.write("", to: "\(Self.top)/finish.\(first.dropFirst(Self.top.count + 1))")
    let listed = try run(["clean", first])
    #expect(listed.status == 0 && listed.lines.count == 1 && listed.text.hasPrefix("\(first)  "), "\(listed.text)")
    #expect(listed.text.contains("2 weight files complete"), "\(listed.text)")
    #expect(try run(["clean", first + "/", "--yes"]).text.hasPrefix("removed \(first), "))
    #expect(try plans() == [second])
    #expect(try run(["clean", first, "--yes"]).text == "\(first): no unfinished merge\n")
    // The last one takes the folder around it along.
    #expect(try run(["clean", "./" + second, "--yes"]).status == 0)
    #expect(try scratch.entries() == [])
  }

  /// A folder of such a name in which something else lies stays.
  @Test func foldersOfOthersStay() throws {
    try part("0/2")
    let plan = try #require(try plans().first)
    try scratch.write("mine", to: plan + "/notes.txt")
    #expect(try run(["clean", plan, "--yes"]).text == "\(plan): no unfinished merge\n")
    let elsewhere = try scratch.folder("elsewhere/00112233445566778899aabbccddeeff")
    #expect(try run(["clean", elsewhere, "--yes"]).text == "\(elsewhere): no unfinished merge\n")
    #expect(try scratch.entries(plan).contains("notes.txt"))
  }

  /// What is left of removed parts: folders alone.
  @Test(arguments: ["", "/00112233445566778899aabbccddeeff", "/00112233445566778899aabbccddeeff/work"])
  func emptyFoldersAreRemoved(_ folders: String) throws {
    try scratch.folder(Self.top + folders)
    let listed = try run(["clean", "merged"])
    #expect(listed.status == 0 && listed.text.hasSuffix("  no finished work\n"), "\(listed.text)")
    #expect(try run(["clean", "merged", "--yes"]).text.hasPrefix("removed "))
    #expect(try scratch.entries() == [])
  }

  /// Parts of another user are not nothing, and only that user adds to them.
  @Test(.enabled(if: Confined.isPossible, "setpriv is missing")) func partsOfAnotherUserAreSaidToBe() throws {
    try part("0/2")
    let plan = try #require(try plans().first)
    for (name, mode) in [("", 0o777), (Self.top, geteuid() == 0 ? 0o700 : 0)] {
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: scratch.file(name))
    }
    defer {
      try? FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: scratch.file(Self.top))
    }
    let base = try copyOfFixture("bases/llama-bf16-sharded", in: scratch, as: "base")
    let adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
    for arguments in [
      ["status", "merged"], ["clean", "merged", "--yes"], ["clean", plan, "--yes"],
      ["merge", base, adapter, "-o", "merged", "--part", "1/2", "--quiet"],
    ] {
      let result = try Program.run(arguments, shell: Confined.shell(), folder: scratch.path)
      let message = expectRefusal(result, status: 4, arguments[0])
      #expect(message.contains("Permission denied [system]"), "\(message)")
      if geteuid() == 0 {
        let users = "\(Self.top) belongs to user 0, and this is user 54321"
        #expect(message.contains("\(users): all parts of a merge run as one user"), "\(message)")
      }
    }
  }
}
