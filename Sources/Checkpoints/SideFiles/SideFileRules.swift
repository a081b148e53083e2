import Platform

/// The files of a base's folder that are not copied, as a table of names; everything else is copied.
///
/// An unknown file is copied, because a loader may open it. So each rule names what it excludes, and no narrower than
/// the files of real repositories: `spk_dict.pt` and `assets/vocoder.pt` end as weights do and are needed.
package enum SideFileRules {
  /// The folders that a rule applies to.
  enum Scope {
    /// Entries of the base's folder itself.
    case root
    /// Entries of every folder.
    case anywhere
  }

  struct Rule {
    let reason: SideFileExclusion
    let scope: Scope
    /// Patterns for the last component, in lower case; those that end in "/" are for folders, the others for files.
    let patterns: [String]
  }

  static let table: [Rule] = [
    Rule(reason: .hidden, scope: .anywhere, patterns: [".*", ".*/"]),
    Rule(
      reason: .temporary, scope: .anywhere,
      patterns: [
        "*~", "*.tmp", "*.tmp.*", "*.incomplete", "*.lock", "*.swp", "*.part", "*.aria2", "*.pyc", "__pycache__/",
        "lost+found/",
      ]),
    Rule(
      reason: .trainingState, scope: .anywhere,
      patterns: [
        "optimizer.pt", "optimizer.bin", "optimizer.safetensors", "optimizer-[0-9]*", "scheduler.pt", "scheduler.bin",
        "scaler.pt", "rng_state*.pth", "random_states_*.pkl", "training_args.bin", "trainer_state.json", "*.distcp",
        "*optim_states.pt", "*model_states.pt", "zero_to_fp32.py", "latest", "latest_checkpointed_iteration.txt",
        "events.out.tfevents.*", "checkpoint-[0-9]*/", "global_step[0-9]*/", "pytorch_model_fsdp_[0-9]*/",
        "optimizer_[0-9]*/",
        "wandb/", "mlruns/",
      ]),
    Rule(reason: .trainingState, scope: .root, patterns: ["runs/"]),
    Rule(reason: .modelCard, scope: .root, patterns: ["readme", "readme.*", "readme_*.md", "readme-*.md"]),
    Rule(reason: .adapter, scope: .root, patterns: ["adapter_config.json", "adapter_model.*", "adapter_model-*"]),
    // Formats that repositories keep beside safetensors only as another form of the same weights.
    Rule(
      reason: .weights, scope: .anywhere, patterns: ["*.gguf", "*.ggml", "*.llamafile", "*.mlpackage/", "*.mlmodelc/"]),
    Rule(
      reason: .weights, scope: .root,
      patterns: [
        "*.h5", "*.msgpack", "*.ot", "*.tflite", "*.mlmodel", "*.nemo", "*.pdparams", "*.ckpt", "*.ckpt.data-*",
        "*.ckpt.index",
        "*.ckpt.meta", "openvino_*.xml", "openvino_*.bin",
        "*.safetensors.index*.json", "*.bin.index*.json", "*.h5.index.json", "*.msgpack.index.json",
        "onnx/", "openvino/", "original/", "metal/", "coreml/", "gguf/", "ggml/", "tflite/", "tensorrt/", "flax/",
        "mlx/",
      ]),
  ]

  /// Names of the same weights in one file or in several, in any format.
  private static let weightStems = [
    "model", "pytorch_model", "consolidated", "diffusion_pytorch_model", "flax_model", "tf_model", "rust_model", "ckpt",
    "checkpoint", "weights",
  ]
  /// Endings of files that hold tensors.
  static let weightSuffixes = [
    ".safetensors", ".sft", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".npz", ".npy", ".onnx", ".onnx_data", ".onnx.data",
  ]
  /// Settings of a quantization beside config.json.
  private static let quantizationFiles = ["hf_quant_config.json", "quantize_config.json", "quant_config.json"]

  /// The first rule that excludes an entry; nil if no rule does.
  ///
  /// - Parameters:
  ///   - name: The last component.
  ///   - isRoot: Whether it is in the base's folder itself.
  static func exclusion(_ name: String, isFolder: Bool, isRoot: Bool) -> SideFileExclusion? {
    let text = name.lowercased() + (isFolder ? "/" : "")
    for (rule, globs) in compiled where isRoot || rule.scope == .anywhere {
      if globs.contains(where: { $0.isFolder == isFolder && $0.glob.matches(text) }) { return rule.reason }
    }
    return isRoot && !isFolder && isNamedAsWeights(text) ? .weights : nil
  }

  private static let compiled = table.map { rule in
    (rule, rule.patterns.map { (isFolder: $0.hasSuffix("/"), glob: Glob($0)) })
  }

  static func hasTensors(_ name: String) -> Bool { weightSuffixes.contains { name.lowercased().hasSuffix($0) } }

  static func describesQuantization(_ path: String) -> Bool { quantizationFiles.contains(path) }

  /// `model.fp16.safetensors`, `pytorch_model-00001-of-00002.bin`, `consolidated.00.pth`, any `…-00001-of-00002.…`,
  /// `decoder_model_merged.onnx`; not `model_vocoder.pt`.
  private static func isNamedAsWeights(_ name: String) -> Bool {
    guard hasTensors(name) else { return false }
    if name.contains(".onnx"), name.contains("model") { return true }
    if shardNumber(name) != nil { return true }
    return weightStems.contains { stem in
      guard name.hasPrefix(stem), let next = name.dropFirst(stem.count).first else { return false }
      return next == "." || next == "-"
    }
  }

  /// The numbers of `00001-of-00002` in a name, and the text around them; nil if it has none.
  static func shardNumber(_ name: String) -> (number: Int, count: Int, prefix: String, suffix: String)? {
    func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
    let bytes = Array(name.utf8)
    let middle = Array("-of-".utf8)
    guard bytes.count > middle.count,
      let place = (1..<bytes.count - middle.count).last(where: { bytes[$0..<$0 + middle.count].elementsEqual(middle) })
    else { return nil }
    let before = bytes[..<place].reversed().prefix(while: isDigit).count
    let after = bytes[(place + middle.count)...].prefix(while: isDigit).count
    let end = place + middle.count + after
    guard (1...6).contains(before), (1...6).contains(after),
      let number = Int(String(decoding: bytes[place - before..<place], as: UTF8.self)),
      let count = Int(String(decoding: bytes[place + middle.count..<end], as: UTF8.self))
    else { return nil }
    return (
      number, count, String(decoding: bytes[..<(place - before)], as: UTF8.self),
      String(decoding: bytes[end...], as: UTF8.self)
    )
  }

  /// Files that a folder may hold and still be a model that `--force` replaces, if no record lists what the merge
  /// wrote.
  package static func isPartOfAModel(_ name: String, isFolder: Bool) -> Bool {
    if isFolder { return name == TokenizerFiles.templateFolder || isModuleFolder(name) }
    return TokenizerFiles.isOne(name) || isModelFile(name) || name == "README.md" || name == ResultMarks.record
      || name.hasSuffix(".safetensors") || name.hasSuffix(".safetensors.index.json")
  }

  package static func isPartOfASubfolder(_ name: String, of folder: String) -> Bool {
    name.hasSuffix(folder == TokenizerFiles.templateFolder ? ".jinja" : "config.json") || name.hasSuffix(".safetensors")
  }

  private static func isModelFile(_ name: String) -> Bool {
    let names = [
      "config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
      "video_preprocessor_config.json", "audio_tokenizer_config.json", "modules.json",
      "config_sentence_transformers.json", "sentence_bert_config.json",
    ]
    let prefixes = ["LICENSE", "LICENCE", "NOTICE", "COPYING", "USE_POLICY"]
    return names.contains(name) || name.hasSuffix(".py") || prefixes.contains { name.hasPrefix($0) }
  }

  /// sentence-transformers: 1_Pooling, 2_Dense, ...
  private static func isModuleFolder(_ name: String) -> Bool {
    let digits = name.prefix { $0.isASCII && $0.isNumber }
    return !digits.isEmpty && name.dropFirst(digits.count).hasPrefix("_")
  }
}
