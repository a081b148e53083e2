import Foundation
import Safetensors
import TestSupport
import Testing

/// Models of the hub that are in the local cache.
@Suite struct HubTests {
  private let scratch: Scratch
  private let cache: String
  private let environment: [String: String]
  private static let commit = String(repeating: "a", count: 40)
  private static let other = String(repeating: "b", count: 40)

  init() throws {
    scratch = try Scratch()
    cache = scratch.file("hub")
    environment = ["HF_HUB_CACHE": cache]
    try add(basePath("llama-bf16"), as: "bases/llama-bf16", commit: Self.commit)
    try add(basePath("llama-bf16"), as: "org/renamed", commit: Self.other, revision: "feature/x")
    try add(adapterPath("linear-bf16"), as: "org/adapter", commit: Self.commit)
  }

  /// Puts a folder's files into the cache, as links into blobs; folders are folders there.
  private func add(_ folder: String, as repository: String, commit: String, revision: String = "main") throws {
    let name = "hub/models--" + repository.replacing("/", with: "--")
    let snapshot = try scratch.folder("\(name)/snapshots/\(commit)")
    try scratch.write(commit, to: "\(name)/refs/\(revision)")
    let blobs = try scratch.folder("\(name)/blobs")
    for file in try FileManager.default.subpathsOfDirectory(atPath: folder).sorted() {
      var isFolder: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: "\(folder)/\(file)", isDirectory: &isFolder)
      if isFolder.boolValue {
        try FileManager.default.createDirectory(atPath: "\(snapshot)/\(file)", withIntermediateDirectories: true)
        continue
      }
      let blob = "b-" + file.replacing("/", with: "-")
      try FileManager.default.copyItem(atPath: "\(folder)/\(file)", toPath: "\(blobs)/\(blob)")
      let up = String(repeating: "../", count: 2 + file.count { $0 == "/" })
      try FileManager.default.createSymbolicLink(
        atPath: "\(snapshot)/\(file)", withDestinationPath: "\(up)blobs/\(blob)")
    }
  }

  private func run(_ arguments: [String], folder: String? = nil) throws -> Program.Result {
    try Program.run(arguments, environment: environment, folder: folder)
  }

  private func snapshot(_ repository: String, _ commit: String) -> String {
    "\(cache)/models--\(repository.replacing("/", with: "--"))/snapshots/\(commit)"
  }

  @Test(arguments: [
    "bases/llama-bf16", "bases/llama-bf16@main", "hf://bases/llama-bf16", "hf://models/bases/llama-bf16@" + commit,
    "org/renamed@feature/x", "hf://org/renamed@feature%2Fx",
  ]) func listsWhatIsCached(_ name: String) throws {
    let result = try run(["ls", name, "--format", "names"])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.lines == (try Program.run(["ls", basePath("llama-bf16"), "--format", "names"]).lines))
    let summary = try run(["ls", name, "--summary"])
    #expect(
      summary.lines[0].contains(name.contains("renamed") ? "org/renamed@bbbbbbbbbbbb" : "llama-bf16@aaaaaaaaaaaa"))
  }

  @Test func aFileByItsAddress() throws {
    let result = try run(["ls", "hf://org/adapter/adapter_model.safetensors", "--format", "names"])
    #expect(result.status == 0)
    #expect(result.lines.allSatisfy { $0.contains("lora_") })
  }

  @Test func checksAndComparesWhatIsCached() throws {
    let alone = try run(["check", "bases/llama-bf16"])
    #expect(alone.status == 0 && alone.text.contains("no problems found"), "\(alone.messages)\(alone.text)")
    #expect(try run(["merge", "-q", "bases/llama-bf16", "org/adapter", "-o", scratch.file("out")]).status == 0)
    let options = ["--against", "bases/llama-bf16", "--adapter", "org/adapter"]
    let merge = try run(["check", scratch.file("out")] + options)
    #expect(merge.status == 0 && merge.text.contains("14 of 14 merged tensors match"), "\(merge.messages)\(merge.text)")
    #expect(expectRefusal(try run(["check", "org/missing"]), status: 4).contains("hf download org/missing"))

    let same = try run(["diff", "bases/llama-bf16", "org/renamed@feature/x", "--data", "--exit-code"])
    #expect(same.status == 0, "\(same.messages)\(same.text)")
    let changed = try run(["diff", "bases/llama-bf16", scratch.file("out"), "--data", "--exit-code"])
    #expect(changed.status == 1 && changed.text.contains("only in bases/llama-bf16@aaaaaaaaaaaa"), "\(changed.text)")
    #expect(expectRefusal(try run(["diff", "org/missing", "org/adapter"]), status: 4).contains("org/missing"))
  }

  @Test func aPathThatExistsWins() throws {
    try writeFile(try scratch.folder("bases/llama-bf16") + "/model.safetensors", [TestTensor("mine", .u8, [1])])
    #expect(try run(["ls", "bases/llama-bf16", "--format", "names"], folder: scratch.path).lines == ["mine"])
    #expect(try run(["ls", "hf://bases/llama-bf16", "--format", "names"], folder: scratch.path).lines.count > 1)
    let path = try run(["ls", "./no/such"], folder: scratch.path)
    #expect(!expectRefusal(path, status: path.status).contains("hf download"))
  }

  @Test(arguments: [
    ("org/missing", "hf download org/missing"), ("org/renamed", "hf download org/renamed"),
    ("bases/llama-bf16@v2", "hf download bases/llama-bf16 --revision v2"),
    ("hf://bases/llama-bf16/none.safetensors", "hf download bases/llama-bf16 none.safetensors"),
  ]) func saysHowToFetchWhatIsMissing(_ name: String, _ command: String) throws {
    let message = expectRefusal(try run(["ls", name]), status: 4)
    #expect(message.hasSuffix("[not-cached]\n  hint: download it with: \(command)\n"))
    let merge = try run(["merge", name, adapterPath("linear-bf16"), "-n"])
    if !name.hasSuffix(".safetensors") { #expect(expectRefusal(merge, status: 4).contains(command)) }
  }

  @Test func anIncompleteSnapshotSaysHowToFetchIt() throws {
    try FileManager.default.removeItem(atPath: cache + "/models--bases--llama-bf16/blobs/b-model.safetensors")
    let result = try run(["merge", "bases/llama-bf16", adapterPath("linear-bf16"), "-n"])
    #expect(
      expectRefusal(result, status: result.status).contains("hf download bases/llama-bf16 --revision \(Self.commit)"))
    try add(basePath("llama-bf16-sharded"), as: "org/sharded", commit: Self.commit)
    let blobs = cache + "/models--org--sharded/blobs/"
    let shard = try #require(
      try FileManager.default.contentsOfDirectory(atPath: blobs).first { $0.contains("-of-") })
    try FileManager.default.removeItem(atPath: blobs + shard)
    let sharded = try run(["ls", "org/sharded", "--format", "names"])
    #expect(sharded.status == 3 || sharded.status == 4)
    #expect(sharded.messages.contains("hf download org/sharded --revision \(Self.commit)"))
    #expect(sharded.lines.count > 1)
  }

  @Test func mergesFromTheCacheAndWritesNothingThere() throws {
    let before = try tree(cache)
    let direct = scratch.file("direct")
    #expect(try run(["merge", basePath("llama-bf16"), adapterPath("linear-bf16"), "-o", direct]).status == 0)
    for (number, arguments) in [
      ["bases/llama-bf16", "org/adapter"], ["org/adapter"], [adapterPath("linear-bf16")], ["hf://org/adapter=1"],
      ["bases/llama-bf16@\(Self.commit)", "org/adapter=1"],
    ].enumerated() {
      let output = scratch.file("out\(number)")
      let result = try run(["merge"] + arguments + ["-o", output, "-q"])
      #expect(result.status == 0, "\(result.messages)")
      #expect(result.errors == [])
      #expect(try tree(output) == tree(direct), "\(arguments)")
    }
    #expect(try tree(cache) == before)
  }

  @Test func aResultIsComparedWithTheMergeIntoAModelOfTheCache() throws {
    let output = scratch.file("out")
    #expect(try run(["merge", "bases/llama-bf16", "org/adapter", "-o", output, "-q"]).status == 0)
    let result = try run(["check", output, "--against", "bases/llama-bf16", "--adapter", "org/adapter"])
    #expect(result.status == 0, "\(result.messages)")
    #expect(result.text.contains("exact"))
    let missing = try run(["check", output, "--against", "org/missing", "--adapter", "org/adapter"])
    #expect(expectRefusal(missing, status: 4).contains("hf download org/missing"))
  }

  @Test func theBaseThatIsNotNamedByTheAdapterIsSaid() throws {
    let result = try run(["merge", "org/renamed@feature/x", "org/adapter", "-n"])
    #expect(result.status == 0)
    #expect(result.messages.contains("names the base \"bases/llama-bf16\"; it is merged into org/renamed@bbbbbbbbbbbb"))
    #expect(!(try run(["merge", "bases/llama-bf16", "org/adapter", "-n"]).messages.contains("names the base")))
  }

  @Test func aBaseThatIsNotThereIsAnError() throws {
    try FileManager.default.removeItem(atPath: cache + "/models--bases--llama-bf16")
    let message = expectRefusal(try run(["merge", "org/adapter", "-n"]), status: 4)
    #expect(message.hasSuffix("[not-cached]\n  hint: download it with: hf download bases/llama-bf16\n"))
    let adapter = try copyOfFixture("lora/linear/bf16/adapter", in: scratch, as: "adapter")
    let config = adapter + "/adapter_config.json"
    let text = try String(contentsOfFile: config, encoding: .utf8)
    try Data(text.replacing("\"bases/llama-bf16\"", with: "null").utf8).write(to: URL(fileURLWithPath: config))
    #expect(expectRefusal(try run(["merge", adapter, "-n"]), status: 3).contains("[base]"))
    #expect(try run(["merge", basePath("llama-bf16"), "-n"]).status == 2)
  }

  @Test func nothingIsWrittenIntoTheCache() throws {
    let before = try tree(cache)
    for output in [snapshot("org/renamed", Self.other) + "/out", cache + "/out"] {
      let result = try run(["merge", basePath("llama-bf16"), adapterPath("linear-bf16"), "-o", output])
      expectRefusal(result, status: 5)
    }
    #expect(try tree(cache) == before)
  }

  @Test func theCacheIsWhereHuggingfaceHubHasIt() throws {
    try FileManager.default.createDirectory(
      atPath: scratch.file("home/.cache/huggingface"), withIntermediateDirectories: true)
    try FileManager.default.moveItem(atPath: cache, toPath: scratch.file("home/.cache/huggingface/hub"))
    for variables in [
      ["HOME": scratch.file("home")], ["HF_HOME": "$X/.cache/huggingface", "X": scratch.file("home")],
      ["XDG_CACHE_HOME": scratch.file("home/.cache")],
      ["HUGGINGFACE_HUB_CACHE": scratch.file("home/.cache/huggingface/hub")],
    ] {
      let result = try Program.run(["ls", "org/adapter", "--summary"], environment: variables)
      #expect(result.status == 0, "\(variables.keys) \(result.messages)")
    }
  }
}
