import Foundation
import Staging
import TestSupport
import Testing

/// Which records belong to a check in parts, and the folder of results.
@Suite struct CheckRecordTests {
  private let scratch: Scratch
  private var results: String { scratch.file("results") }

  init() throws { scratch = try Scratch() }

  private func part(_ check: [String], _ part: String = "0/1") throws {
    let result = try Program.run(["check"] + check + ["--part", part, "--results", results])
    #expect(result.status == 0 && result.errors == [], "\(result.messages)")
  }

  private func finish(_ check: [String]) throws -> Program.Result {
    try Program.run(["check"] + check + ["--finish", "--results", results, "--wait", "0"])
  }

  /// Expects that a check has its own records: none are there before its parts, and then its verdict is that of one process.
  private func expectOwnRecords(_ check: [String], location: SourceLocation = #_sourceLocation) throws {
    let message = expectRefusal(try finish(check), status: 4, location: location)
    #expect(message.contains("[parts-missing]"), "\(message)", sourceLocation: location)
    try part(check)
    let (whole, finished) = (try Program.run(["check"] + check), try finish(check))
    #expect(finished.text == whole.text && finished.status == whole.status, sourceLocation: location)
    #expect(finished.messages == whole.messages, "\(finished.messages)", sourceLocation: location)
  }

  /// Gives all files of a folder one time, as an image of a container does.
  private func setTimes(_ folder: String) throws {
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: 0)], ofItemAtPath: folder + "/" + name)
    }
  }

  private func copy(_ fixture: String, as name: String, _ change: (String) throws -> Void = { _ in }) throws -> String {
    let folder = try copyOfFixture(fixture, in: scratch, as: name)
    try change(folder)
    try setTimes(folder)
    return folder
  }

  private func damage(_ path: String) throws {
    let bytes = try contents(path)
    try write(bytes.dropLast(2) + [0xC0, 0x7F], to: path)
  }

  private func sums(_ folder: String) throws -> String {
    let path = scratch.file("SUMS")
    try write(try Program.run(["check", "--write-checksums", folder]).output, to: path)
    return path
  }

  /// Two models of which names, sizes and times are the same do not share records, whatever of them is read.
  @Test func contentsTellModelsApart() throws {
    let fixture = "bases/llama-bf16-sharded"
    let one = try copy(fixture, as: "one")
    let damaged = try copy(fixture, as: "damaged") { try damage($0 + "/model-00003-of-00004.safetensors") }
    // A config of another text and the same size.
    let configured = try copy(fixture, as: "configured") { folder in
      var bytes = try contents(folder + "/config.json")
      let place = try #require(bytes.lastIndex(of: UInt8(ascii: "\n")))
      bytes[place] = UInt8(ascii: " ")
      try write(bytes, to: folder + "/config.json")
    }
    let sums = try sums(one)
    for check in [["--data"], ["--checksums", sums], ["--write-checksums"]] {
      try part(check + [one])
      let same = try copy(fixture, as: "same")
      #expect(try finish(check + [same]).status == 0)
      try FileManager.default.removeItem(atPath: same)
      try expectOwnRecords(check + [damaged])
      try expectOwnRecords(check + [configured])
    }
  }

  @Test func contentsTellBasesAndAdaptersApart() throws {
    let base = try copy("bases/llama-bf16-sharded", as: "base")
    let adapter = scratch.file("adapter")
    try FileManager.default.copyItem(atPath: adapterPath("linear-bf16"), toPath: adapter)
    try setTimes(adapter)
    #expect(try Program.run(["merge", "-q", base, adapter, "-o", scratch.file("merged")]).status == 0)
    let check = [scratch.file("merged"), "--against", base, "--adapter", adapter]
    try part(check)
    #expect(try finish(check).status == 0)
    for path in [base + "/model-00002-of-00004.safetensors", adapter + "/adapter_model.safetensors"] {
      let bytes = try contents(path)
      try write(bytes.dropLast() + [bytes[bytes.count - 1] ^ 1], to: path)
      for folder in [base, adapter] { try setTimes(folder) }
      try expectOwnRecords(check)
    }
  }

  /// A shard, its model, an index and a folder of that one file are checks of their own in one folder of results.
  @Test func filesAndFoldersAreKeptApart() throws {
    let model = try copy("bases/llama-bf16-sharded", as: "model")
    let shard = model + "/model-00003-of-00004.safetensors"
    try part(["--data", shard])
    try expectOwnRecords(["--data", model])
    try expectOwnRecords(["--data", model + "/model.safetensors.index.json"])
    #expect(try finish(["--data", shard]).status == 0)
    let single = try copy("bases/llama-bf16", as: "single")
    for check in [["--data"], ["--write-checksums"]] {
      try part(check + [single])
      try expectOwnRecords(check + [single + "/model.safetensors"])
    }
  }

  @Test func aSlashAtTheEndIsTheSameCheck() throws {
    let model = try copy("bases/llama-bf16-sharded", as: "model")
    try part(["--write-checksums", model])
    for path in [model, model + "/", model + "//"] {
      let finished = try finish(["--write-checksums", path])
      #expect(finished.status == 0 && finished.lines.count > 4, "\(finished.messages)")
    }
    try part(["--data", model + "//"])
    #expect(try finish(["--data", model]).text == Program.run(["check", "--data", model]).text)
  }

  /// A list that is written into the folder that it is of does not change the check.
  @Test func theListItselfIsNotRead() throws {
    let model = try copy("bases/llama-bf16", as: "model")
    try part(["--write-checksums", model])
    try scratch.write([], to: "model/SHA256SUMS")
    let finished = try finish(["--write-checksums", model])
    #expect(finished.status == 0 && !finished.lines.isEmpty, "\(finished.messages)")
  }

  /// A file that a list of checksums has is read again when it changed, in any folder of the model.
  @Test func filesBelowTheModelAreRead() throws {
    let model = try copy("bases/llama-bf16", as: "model") { folder in
      try FileManager.default.createDirectory(atPath: folder + "/1_Pooling", withIntermediateDirectories: false)
      try write("{}".utf8, to: folder + "/1_Pooling/config.json")
    }
    let sums = scratch.file("SUMS")
    let empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    try write("\(empty)  1_Pooling/config.json\n".utf8, to: sums)
    try part(["--checksums", sums, model])
    #expect(try finish(["--checksums", sums, model]).status == 0)
    try write("[]".utf8, to: model + "/1_Pooling/config.json")
    try setTimes(model)
    try expectOwnRecords(["--checksums", sums, model])
    #expect(try finish(["--checksums", sums, model]).status == 3)
  }

  @Test func filesOfAPipelineAreRead() throws {
    let pipeline = try TestPipeline(scratch, at: "pipeline")
    try setTimes(pipeline.path)
    try part(["--write-checksums", pipeline.path])
    #expect(try finish(["--write-checksums", pipeline.path]).status == 0)
    for (text, file) in [("#Version", "tokenizer/merges.txt"), ("[]", "tokenizer/vocab.json")] {
      try pipeline.write(text, to: file)
      try setTimes(pipeline.path)
      try expectOwnRecords(["--write-checksums", pipeline.path])
    }
    // Records in its folders would be read themselves.
    let check = ["check", pipeline.path, "--write-checksums", "--part", "0/1", "--results", pipeline.path + "/results"]
    let message = expectRefusal(try Program.run(check), status: 2)
    #expect(message.contains("is inside the model") && message.contains("choose a folder beside it"), "\(message)")
  }

  /// What is in the way of the folder of results is named before anything is read.
  @Test func theFolderOfResultsIsMadeOrExplained() throws {
    let check = ["check", basePath("llama-bf16"), "--data"]
    try scratch.write("", to: "file")
    try FileManager.default.createSymbolicLink(
      atPath: scratch.file("dangling"), withDestinationPath: scratch.file("gone"))
    for (name, error, hint) in [
      ("no/such", "its parent folder does not exist [not-found]", "create it with: mkdir -p \(scratch.file("no"))"),
      ("file", "is a file, and --results is a folder [not-a-folder]", "remove it, or choose another folder"),
      ("dangling", "is a link to nothing, and --results is a folder [not-a-folder]", "remove it, or choose"),
      ("file/results", "Not a directory [system]", "choose a folder that can be written with --results"),
    ] {
      let part = try Program.run(check + ["--part", "0/1", "--results", scratch.file(name)])
      let message = expectRefusal(part, status: 4)
      #expect(message.contains(error) && message.contains(hint), "\(message)")
      guard error.contains("not-a-folder") else { continue }
      let finish = try Program.run(check + ["--finish", "--results", scratch.file(name)])
      #expect(expectRefusal(finish, status: 4) == message)
    }
    #expect(try scratch.entries() == ["dangling", "file"])
    // A link to a folder is one.
    try scratch.folder("gone")
    #expect(try Program.run(check + ["--part", "0/1", "--results", scratch.file("dangling")]).status == 0)
    #expect(try Program.run(check + ["--finish", "--results", scratch.file("gone/")]).status == 0)
  }

  @Test func aMalformedListIsRefusedByAll() throws {
    try scratch.write("no checksum\n", to: "SUMS")
    let check = ["check", basePath("llama-bf16"), "--checksums", scratch.file("SUMS"), "--results", results]
    for more in [["--part", "0/1"], ["--finish"]] {
      #expect(expectRefusal(try Program.run(check + more), status: 3).contains("[checksums]"))
    }
  }

  /// An error about a record names the folder of the records.
  @Test func aRecordOfAnotherCheckIsNamed() throws {
    let model = try copy("bases/llama-bf16-sharded", as: "model")
    let sums = try sums(model)
    let check = ["--data", "--checksums", sums, model]
    try part(check)
    let folder = try results + "/" + #require(try scratch.entries("results").first)
    for (name, key, title) in [
      ("1.json", "elements ", "model-00001-of-00004.safetensors"), ("0.json", "sha256 ", "what is in no weight file"),
    ] {
      let path = folder + "/" + name
      let whole = try contents(path)
      let text = String(decoding: try #require(SealedText.open(whole)), as: UTF8.self)
      let changed = text.replacing("\"\(key)", with: "\"other ")
      #expect(changed != text)
      try write(SealedText.seal(Array(changed.utf8)), to: path)
      let message = expectRefusal(try finish(check), status: 4)
      #expect(message.hasPrefix("error: \(folder): the record of \(title) has no value of \"\(key)"), "\(message)")
      #expect(message.contains("[parts]") && message.contains("remove the folder, and run the parts again"))
      try write(whole, to: path)
    }
    #expect(try finish(check).status == 0)
  }

  /// A signal that comes while records are written.
  @Test(.enabled(if: Confined.hasStrace, "strace is not installed"))
  func aSignalLeavesWholeRecords() throws {
    let check = ["check", "--data", basePath("llama-bf16-sharded"), "--part", "0/1", "--results", results]
    let result = try Program.run(
      check,
      shell: "exec strace -f -qq -o /dev/null -e trace=/^rename -e inject=/^rename:signal=SIGTERM:when=2 \"$0\" \"$@\"")
    #expect(result.status == 15 && result.isSignal, "\(result.messages)")
    #expect(result.messages == "safemerge: interrupted; records that are complete stay\n" && result.output == [])
    let next = try Program.run(check)
    #expect(next.status == 0 && next.text.contains("had a record"), "\(next.text)")
    #expect(try finish(["--data", basePath("llama-bf16-sharded")]).status == 0)
  }
}
