import Checkpoints
import Foundation
import Safetensors
import TestSupport
import Testing

@Suite struct SideFilesTests {
  static let base = fixturesPath() + "/bases/llama-bf16"
  static let adapter = fixturesPath() + "/cases/adapter-with-tokenizer/adapter"
  static let model = ["LICENSE", "config.json", "generation_config.json"]
  static let tokenizer = [
    "additional_chat_templates/x.jinja", "chat_template.jinja", "special_tokens_map.json", "tokenizer.json",
    "tokenizer_config.json",
  ]

  private func sideFiles(_ base: String, adapter: String? = nil) throws(CheckpointError) -> SideFiles {
    try SideFiles(base: base, weightFiles: ["model.safetensors"], adapter: adapter)
  }

  private func problem(_ base: String, adapter: String? = nil) -> CheckpointError.Problem? {
    do throws(CheckpointError) {
      _ = try sideFiles(base, adapter: adapter)
      return nil
    } catch { return error.problem }
  }

  @Test(arguments: [nil, fixturesPath() + "/cases/linear-bf16/adapter"])
  func comeFromTheBaseByName(adapter: String?) throws {
    let files = try sideFiles(Self.base, adapter: adapter)
    #expect(files.files.map(\.name) == (Self.model + Self.tokenizer).sorted())
    #expect(files.skipped == ["README.md", "pytorch_model.bin", "training_args.bin"])
    #expect(!files.tokenizerIsAdapters)
    for file in files.files {
      #expect(file.sourcePath == Self.base + "/" + file.name)
      #expect(try contents(file.sourcePath).count == file.byteCount)
    }
  }

  @Test func theTokenizerIsTheAdaptersAltogether() throws {
    let files = try sideFiles(Self.base, adapter: Self.adapter)
    #expect(files.tokenizerIsAdapters)
    let (tokenizer, others) = (
      files.files.filter { $0.sourcePath.hasPrefix(Self.adapter) },
      files.files.filter { !$0.sourcePath.hasPrefix(Self.adapter) }
    )
    #expect(tokenizer.map(\.name) == ["tokenizer.json", "tokenizer_config.json"])
    #expect(others.map(\.name) == Self.model)
  }

  /// Names of 5.23's and older writers, and those of other tools that must stay behind.
  @Test func chooseByNameOnly() throws {
    let scratch = try Scratch()
    let copied = [
      "NOTICE.txt", "USE_POLICY.md", "added_tokens.json", "merges.txt", "modeling_x.py", "preprocessor_config.json",
      "qwen.tiktoken", "spiece.model", "tokenizer.model", "tokenizer.model.v3", "vocab.json", "vocab.txt",
    ]
    let skipped = [
      ".gitattributes", "adapter_config.json", "adapter_model.safetensors", "consolidated.safetensors", "model.gguf",
      "model.safetensors.index.json", "optimizer.pt", "pytorch_model.bin", "trainer_state.json", "x.lock",
    ]
    for name in copied + skipped + ["model.safetensors"] { try scratch.write(name, to: name) }
    for name in [".cache", "onnx", "checkpoint-10"] {
      try scratch.folder(name)
      try scratch.write("{}", to: name + "/config.json")
    }
    try scratch.folder("1_Pooling")
    try scratch.write("{}", to: "1_Pooling/config.json")
    try scratch.write("{}", to: "1_Pooling/optimizer.pt")
    let files = try sideFiles(scratch.path)
    #expect(files.files.map(\.name) == (copied + ["1_Pooling/config.json"]).sorted())
    #expect(files.skipped == (skipped + [".cache", "onnx", "checkpoint-10"]).sorted())
  }

  @Test(arguments: ["/etc/passwd", "../secret", "../models--o--n/snapshots/x/secret"])
  func aLinkOutOfTheFolderIsRefused(destination: String) throws {
    let scratch = try Scratch()
    try scratch.folder("models--o--n/snapshots/x")
    try scratch.folder("model")
    try scratch.write("s", to: "secret")
    try scratch.write("s", to: "models--o--n/snapshots/x/secret")
    try scratch.link("model/tokenizer.json", to: destination)
    let real = try #require(SystemCalls.realPath(scratch.file("model/tokenizer.json")))
    #expect(problem(scratch.file("model")) == .sideFileOutside(realPath: real))
    try FileManager.default.removeItem(atPath: scratch.file("model/tokenizer.json"))
    try scratch.write("t", to: "model/x.json")
    try scratch.link("model/tokenizer.json", to: "x.json")
    #expect(problem(scratch.file("model")) == nil)
  }

  @Test func aFolderOfLinksOutOfTheFolderIsRefused() throws {
    let scratch = try Scratch()
    try scratch.folder("elsewhere")
    try scratch.folder("model")
    try scratch.write("s", to: "elsewhere/x.jinja")
    try scratch.link("model/additional_chat_templates", to: "../elsewhere")
    #expect(problem(scratch.file("model")) == .sideFileOutside(realPath: scratch.file("elsewhere/x.jinja")))
  }

  /// The layouts of huggingface_hub before and since 2: blobs of the repository, and one store for all.
  @Test(
    arguments: [
      ("models--o--n/blobs/abc", nil), ("models--o--n/blobs/abc", "blobs/ab/abc"), ("secret", nil),
      ("models--o--n/other", nil), ("models--x--y/secret", nil),
    ] as [(String, String?)])
  func linksOfACacheLeadToItsBlobs(first: String, store: String?) throws {
    let scratch = try Scratch()
    let snapshot = "models--o--n/snapshots/c0ffee"
    for folder in ["models--o--n/blobs", "models--x--y", "blobs/ab", snapshot] { try scratch.folder(folder) }
    if let store {
      try scratch.write("{}", to: store)
      try scratch.link(first, to: scratch.file(store))
    } else {
      try scratch.write("{}", to: first)
    }
    try scratch.link(snapshot + "/tokenizer.json", to: "../../../" + first)
    let refused = CheckpointError.Problem.sideFileOutside(realPath: scratch.file(first))
    #expect(problem(scratch.file(snapshot)) == (first.contains("blobs") ? nil : refused))
  }

  @Test func onlyRegularFilesAreTaken() throws {
    for kind in ["folder", "fifo", "dangling", "device"] {
      let scratch = try Scratch()
      switch kind {
      case "folder": try scratch.folder("tokenizer.json")
      case "fifo": #expect(mkfifo(scratch.file("tokenizer.json"), 0o600) == 0)
      case "device": try scratch.link("tokenizer.json", to: "/dev/zero")
      default: try scratch.link("tokenizer.json", to: "nothing")
      }
      #expect(problem(scratch.path) == .sideFileNotRegular, "\(kind)")
    }
  }

  @Test func noHugeFileIsTaken() throws {
    let scratch = try Scratch()
    let path = try scratch.write("", to: "tokenizer.json")
    #expect(truncate(path, 1 << 30) == 0)
    #expect(problem(scratch.path) == nil)
    #expect(truncate(path, 1 << 30 + 1) == 0)
    #expect(problem(scratch.path) == .sideFileTooLarge(byteCount: 1 << 30 + 1, limit: 1 << 30))
  }

  @Test func aFolderThatIsNotThere() throws {
    let scratch = try Scratch()
    #expect(problem(scratch.file("missing")) == .system(call: "opendir", code: ENOENT))
  }
}
