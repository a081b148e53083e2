import Checkpoints
import Foundation
import Platform
import Safetensors
import TestSupport
import Testing

@Suite struct SideFilesTests {
  static let base = fixturesPath() + "/bases/llama-bf16"
  static let adapter = fixturesPath() + "/lora/adapter-with-tokenizer/bf16/adapter"
  static let model = ["LICENSE", "config.json", "generation_config.json"]
  static let tokenizer = [
    "additional_chat_templates/x.jinja", "chat_template.jinja", "special_tokens_map.json", "tokenizer.json",
    "tokenizer_config.json",
  ]

  private func sideFiles(_ base: String, adapter: String? = nil) throws(CheckpointError) -> SideFiles {
    try SideFiles(base: base, written: ["model.safetensors"], adapter: adapter)
  }

  private func problem(_ base: String, adapter: String? = nil) -> CheckpointError.Problem? {
    do throws(CheckpointError) {
      _ = try sideFiles(base, adapter: adapter)
      return nil
    } catch { return error.problem }
  }

  @Test(arguments: [nil, fixturesPath() + "/lora/linear/bf16/adapter"])
  func comeFromTheBaseByName(adapter: String?) throws {
    let files = try sideFiles(Self.base, adapter: adapter)
    #expect(files.files.map(\.name) == (Self.model + Self.tokenizer).sorted())
    #expect(
      files.leftOut == [
        SideFiles.LeftOut(name: "README.md", reason: .modelCard),
        SideFiles.LeftOut(name: "pytorch_model.bin", reason: .weights),
        SideFiles.LeftOut(name: "training_args.bin", reason: .trainingState),
      ])
    #expect(!files.tokenizerIsAdapters)
    for file in files.files {
      #expect(file.sourcePath == Self.base + "/" + file.name)
      #expect(try contents(file.sourcePath).count == file.byteCount)
    }
  }

  /// Its own files replace the base's; the base's others stay.
  @Test func theAdaptersTokenizerReplacesByName() throws {
    let files = try sideFiles(Self.base, adapter: Self.adapter)
    #expect(files.tokenizerIsAdapters)
    #expect(files.files.map(\.name) == (Self.model + Self.tokenizer).sorted())
    let own = files.files.filter { $0.sourcePath.hasPrefix(Self.adapter) }.map(\.name)
    #expect(own == ["tokenizer.json", "tokenizer_config.json"])
  }

  /// Everything that the folders of real models have beside their weights.
  @Test func everythingGoesAlongButWhatARuleNames() throws {
    let scratch = try Scratch()
    let copied = [
      "1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors", "LICENSE", "NOTICE.txt",
      "USE_POLICY.md",
      "added_tokens.json", "assets/ref.wav", "assets/vocos.pt", "bpe.codes", "configuration.json", "merges.txt",
      "modeling_x.py", "modules.json", "params.json", "preprocessor_config.json", "qwen.tiktoken", "source.spm",
      "speaker_embeddings/v2/en_0.npy", "speaker_embeddings_path.json", "spiece.model", "spk_dict.pt", "tekken.json",
      "tokenizer-e351c8d8.safetensors", "tokenizer.model", "tokenizer.model.v3", "tokenizer_code/__init__.py",
      "vocab.json",
      "vocab.txt", "vision-lora/adapter_config.json", "vision-lora/adapter_model.safetensors", "optimizer.py",
      "whatever.dat",
      "whisper-large-v3/config.json", "whisper-large-v3/model.safetensors",
    ]
    let leftOut: [(String, SideFileExclusion)] = [
      (".cache/", .hidden), (".git/", .hidden), (".gitattributes", .hidden), (".safemerge.json", .hidden),
      ("README.md", .modelCard), ("__pycache__/", .temporary), ("adapter_config.json", .adapter),
      ("adapter_model.safetensors", .adapter), ("checkpoint-10/", .trainingState), ("ckpt.pt", .weights),
      ("consolidated.00.pth", .weights), ("consolidated.safetensors", .weights),
      ("decoder_model_merged.onnx", .weights),
      ("flax_model.msgpack", .weights), ("global_step20/", .trainingState),
      ("model-00001-of-00002.safetensors", .weights),
      ("model.fp16.safetensors", .weights), ("model.gguf", .weights), ("model.safetensors.index.json", .weights),
      ("onnx/", .weights), ("openvino/", .weights), ("openvino_model.bin", .weights), ("openvino_model.xml", .weights),
      ("optimizer.pt", .trainingState), ("original/", .weights), ("pytorch_model-00001-of-00002.bin", .weights),
      ("pytorch_model.bin", .weights), ("pytorch_model.bin.index.json", .weights), ("rng_state_0.pth", .trainingState),
      ("rust_model.ot", .weights), ("scheduler.pt", .trainingState), ("tf_model.h5", .weights),
      ("trainer_state.json", .trainingState), ("x.lock", .temporary),
    ]
    for name in copied { try write(name, in: scratch) }
    for (name, _) in leftOut { try write(name.hasSuffix("/") ? name + "x.json" : name, in: scratch) }
    try write("assets/.DS_Store", in: scratch)
    try write("model.safetensors", in: scratch)
    let files = try sideFiles(scratch.path)
    #expect(files.files.map(\.name) == copied.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    let expected =
      leftOut.map { SideFiles.LeftOut(name: $0.0, reason: $0.1) }
      + [SideFiles.LeftOut(name: "assets/.DS_Store", reason: .hidden)]
    #expect(files.leftOut == expected.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) })
    // Options can add what names do not say.
    let selection = SideFiles.Selection(
      include: ["README.md", "onnx/*", "ckpt.pt"], exclude: ["assets", "*.wav", "ckpt.*"])
    let problem = #expect(throws: CheckpointError.self) {
      try SideFiles(base: scratch.path, written: ["model.safetensors"], selection: selection)
    }
    #expect(problem?.problem == .nothingToInclude(pattern: "ckpt.pt"))
    let chosen = try SideFiles(
      base: scratch.path, written: ["model.safetensors"],
      selection: SideFiles.Selection(include: ["README.md", "onnx/*"], exclude: ["assets"]))
    #expect(
      Set(chosen.files.map(\.name))
        == Set(copied.filter { !$0.hasPrefix("assets/") } + ["README.md", "onnx/x.json"]))
    #expect(chosen.leftOut.contains(SideFiles.LeftOut(name: "assets/", reason: .asked)))
  }

  private func write(_ name: String, in scratch: Scratch) throws {
    let folders = name.split(separator: "/").dropLast()
    for count in folders.indices {
      let folder = folders[...count].joined(separator: "/")
      if !FileManager.default.fileExists(atPath: scratch.file(folder)) { try scratch.folder(folder) }
    }
    try scratch.write("{}", to: name)
  }

  /// A loader would open these in place of what was merged.
  @Test func whatWouldBeOpenedInPlaceOfTheMergeIsNeverTaken() throws {
    let scratch = try Scratch()
    for name in ["model.safetensors", "model.safetensors.index.json", "x.json"] { try scratch.write("{}", to: name) }
    let all = SideFiles.Selection(include: ["*"])
    #expect(
      try SideFiles(base: scratch.path, written: ["w.safetensors"], selection: all).files.map(\.name) == ["x.json"])
  }

  /// Files of tensors whose names say nothing: those with the base's tensors, or as large as it, are its weights.
  @Test func otherFilesOfTensorsAreRecognizedByTheirContent() throws {
    let scratch = try Scratch()
    let weights = TestTensor("a", .f32, [1 << 19], bytes: [UInt8](repeating: 0, count: 1 << 21))
    try writeFile(scratch.file("model.safetensors"), [weights])
    try writeFile(scratch.file("ema.safetensors"), [weights])
    try writeFile(scratch.file("codec.safetensors"), [TestTensor("codec.a", .f32, [1], bytes: [0, 0, 0, 0])])
    for (name, count) in [("text.pt", 1 << 21), ("speakers.pth", 1 << 19)] {
      #expect(truncate(try scratch.write("", to: name), count) == 0)
    }
    let files = try SideFiles(
      base: scratch.path, written: ["model.safetensors"], checkpoint: Checkpoint(path: scratch.path))
    #expect(files.files.map(\.name) == ["codec.safetensors", "speakers.pth"])
    #expect(files.leftOut.map(\.name) == ["ema.safetensors", "text.pt"])
  }

  /// A folder with a model of the same class is another state of it; one that modules.json names is a part.
  @Test func aCopyOfTheModelInASubfolderIsLeftOut() throws {
    let scratch = try Scratch()
    let config = #"{"architectures":["LlamaModel"],"model_type":"llama"}"#
    for folder in ["", "fp16/", "0_Query/", "whisper/"] {
      if !folder.isEmpty { try scratch.folder(folder) }
      try scratch.write("x", to: folder + "model.safetensors")
      try scratch.write(folder == "whisper/" ? #"{"model_type":"whisper"}"# : config, to: folder + "config.json")
    }
    try scratch.write(#"[{"idx":0,"path":"0_Query","type":"x"}]"#, to: "modules.json")
    let files = try sideFiles(scratch.path)
    #expect(files.leftOut == [SideFiles.LeftOut(name: "fp16/", reason: .weights)])
    #expect(files.files.count == 6)
  }

  @Test func settingsOfAQuantizationThatIsGoneStayBehind() throws {
    let scratch = try Scratch()
    for name in ["hf_quant_config.json", "quantize_config.json", "recipe.yaml"] { try scratch.write("{}", to: name) }
    #expect(try sideFiles(scratch.path).files.count == 3)
    let files = try SideFiles(base: scratch.path, written: [], losesQuantization: true)
    #expect(files.files.map(\.name) == ["recipe.yaml"])
    #expect(files.leftOut.map(\.reason) == [.quantization, .quantization])
  }

  // MARK: - Two tokenizers

  private func tokenizers(base: [String: String], adapter: [String: String]) throws -> SideFiles {
    let scratch = try Scratch()
    for (folder, files) in [("base", base), ("adapter", adapter)] {
      try scratch.folder(folder)
      for (name, text) in files { try scratch.write(text, to: folder + "/" + name) }
    }
    return try SideFiles(base: scratch.file("base"), written: [], adapter: scratch.file("adapter"))
  }

  /// `chat_template.jinja` wins over the template in `tokenizer_config.json`.
  @Test func theAdaptersTemplateReplacesTheBasesWhereverItStands() throws {
    let files = try tokenizers(
      base: ["chat_template.jinja": "base", "chat_template.json": "{}", "tokenizer_config.json": "{}"],
      adapter: ["tokenizer_config.json": #"{"chat_template":"adapter"}"#])
    #expect(files.files.map(\.name) == ["tokenizer_config.json"])
    #expect(files.leftOut.map(\.name) == ["chat_template.jinja", "chat_template.json"])
    #expect(files.leftOut.allSatisfy { $0.reason == .replaced })
  }

  @Test func theBasesTemplateIsTakenOutOfAFileThatIsReplaced() throws {
    let files = try tokenizers(
      base: ["tokenizer_config.json": #"{"chat_template":"b\u00e4se {{ x }}"}"#],
      adapter: ["tokenizer_config.json": "{}"])
    #expect(files.files.map(\.name) == ["chat_template.jinja", "tokenizer_config.json"])
    #expect(files.files[0].byteCount == 13)
    let named = try tokenizers(
      base: [
        "tokenizer_config.json":
          #"{"chat_template":[{"name":"default","template":"a"},{"name":"rag","template":"b"},{"name":"../x","template":""}]}"#
      ], adapter: ["tokenizer_config.json": "{}"])
    #expect(
      named.files.map(\.name)
        == ["additional_chat_templates/rag.jinja", "chat_template.jinja", "tokenizer_config.json"])
  }

  /// transformers 5.24 lets these override the adapter's tokenizer_config.json and vocabulary.
  @Test func whatContradictsTheAdaptersTokenizerStaysBehind() throws {
    let own = [
      "tokenizer_config.json": #"{"pad_token":"<pad>","eos_token":"</s>"}"#,
      "tokenizer.json": #"{"added_tokens":[{"id":5,"content":"<pad>"}],"model":{"vocab":{}}}"#,
    ]
    let same = try tokenizers(
      base: [
        "special_tokens_map.json": #"{"pad_token":{"content":"<pad>","lstrip":false},"unk_token":"<unk>"}"#,
        "added_tokens.json": #"{"<pad>":5,"<other>":6}"#, "tokenizer.model": "x",
      ], adapter: own)
    #expect(same.leftOut == [])
    #expect(same.files.count == 5)
    let other = try tokenizers(
      base: [
        "special_tokens_map.json": #"{"pad_token":"<unk>"}"#, "added_tokens.json": #"{"<tool>":5}"#,
        "tokenizer.json": "{}",
      ], adapter: own)
    #expect(other.leftOut.map(\.name) == ["added_tokens.json", "special_tokens_map.json"])
    // A vocabulary without tokenizer.json, which would be opened in its place.
    let slow = try tokenizers(
      base: ["tokenizer.json": "{}", "vocab.json": "{}"], adapter: ["tokenizer_config.json": "{}", "vocab.json": "{}"])
    #expect(slow.leftOut.map(\.name) == ["tokenizer.json"])
    #expect(!slow.tokenizerIsAdapters)
  }

  // MARK: - Links and odd files

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
    #expect(problem(scratch.file("model")) == .sideFileOutside(realPath: scratch.file("elsewhere")))
    let asked = SideFiles.Selection(include: ["additional_chat_templates"])
    let files = try SideFiles(base: scratch.file("model"), written: [], selection: asked)
    #expect(files.files.map(\.name) == ["additional_chat_templates/x.jinja"])
    let left = SideFiles.Selection(exclude: ["additional_chat_templates"])
    #expect(try SideFiles(base: scratch.file("model"), written: [], selection: left).files == [])
  }

  @Test func aFolderOfLinksInACircleIsRefused() throws {
    let scratch = try Scratch()
    try scratch.folder("model")
    try scratch.folder("model/a")
    try scratch.write("x", to: "model/a/x.txt")
    try scratch.link("model/b", to: "a")
    #expect(try sideFiles(scratch.file("model")).files.map(\.name) == ["a/x.txt", "b/x.txt"])
    try scratch.link("model/a/up", to: "..")
    #expect(problem(scratch.file("model")) == .sideFileOutside(realPath: scratch.file("model")))
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
    for kind in ["fifo", "dangling", "device"] {
      let scratch = try Scratch()
      switch kind {
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
