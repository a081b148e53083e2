import Checkpoints
import TestSupport
import Testing

/// Which files are which variant of a model's weights, by their names.
@Suite struct ModelVariantTests {
  private func variants(_ names: [String], isOfDiffusers: Bool = true) -> [String: [String]] {
    Dictionary(ModelVariant.find(names, isOfDiffusers: isOfDiffusers).map { ($0.name, $0.files) }) { one, _ in one }
  }

  @Test func everySpellingOfDiffusers() {
    #expect(variants(["diffusion_pytorch_model.safetensors"]) == ["default": ["diffusion_pytorch_model.safetensors"]])
    #expect(
      variants(["diffusion_pytorch_model.non_ema.safetensors"])
        == ["non_ema": ["diffusion_pytorch_model.non_ema.safetensors"]])
    let sharded = [
      "diffusion_pytorch_model.safetensors.index.fp16.json", "diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
      "diffusion_pytorch_model.fp16-00002-of-00002.safetensors",
    ]
    #expect(variants(sharded) == ["fp16": sharded])
    let old = [
      "diffusion_pytorch_model.safetensors.fp16.index.json", "diffusion_pytorch_model-00001-of-00002.fp16.safetensors",
      "diffusion_pytorch_model-00002-of-00002.fp16.safetensors",
    ]
    #expect(variants(old) == ["fp16": old])
    let plain = [
      "diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model-00001-of-00001.safetensors",
    ]
    #expect(variants(plain) == ["default": plain])
    #expect(variants(plain + sharded) == ["default": plain, "fp16": sharded])
    #expect(ModelVariant.find(plain + sharded, isOfDiffusers: true).map(\.name) == ["default", "fp16"])
  }

  @Test func everySpellingOfTransformers() {
    let names = ["model.safetensors.index.fp16.json", "model.fp16-00001-of-00001.safetensors"]
    #expect(variants(names, isOfDiffusers: false) == ["fp16": names])
    #expect(variants(["model.safetensors"], isOfDiffusers: false) == ["default": ["model.safetensors"]])
  }

  @Test(
    arguments: [
      "diffusion_pytorch_model.bin", "diffusion_pytorch_model_v2.safetensors", "diffusion_pytorch_model..safetensors",
      "models.safetensors", "model-lora.safetensors", "pytorch_lora_weights.safetensors", "model.safetensors.json",
      "config.json", "diffusion_pytorch_model.safetensors.index.json.bak",
    ])
  func otherFilesAreNone(name: String) { #expect(variants([name]).filter { $0.key != "" } == [:]) }

  /// The library's own name counts where both are there.
  @Test func theNameOfTheLibraryComesFirst() {
    let both = ["diffusion_pytorch_model.safetensors", "model.safetensors"]
    #expect(variants(both) == ["default": [both[0]]])
    #expect(variants(both, isOfDiffusers: false) == ["default": [both[1]]])
  }

  /// diffusers opens an index before a single file, and transformers a single file before an index.
  @Test func anIndexBesideASingleFile() throws {
    let scratch = try Scratch()
    for (stem, config, expected) in [
      ("diffusion_pytorch_model", #"{"_class_name": "A"}"#, "s.safetensors"), ("model", "{}", "model.safetensors"),
    ] {
      try scratch.folder(stem)
      try scratch.write(config, to: stem + "/config.json")
      try scratch.weights("a", at: stem + "/\(stem).safetensors")
      try scratch.weights("a", at: stem + "/s.safetensors")
      try scratch.write(
        #"{"weight_map": {"a": "s.safetensors"}}"#, to: stem + "/\(stem).safetensors.index.json")
      let model = try Checkpoint(path: scratch.file(stem))
      #expect(model.files.map(\.name) == [expected])
      #expect(model.warnings.count == 1)
    }
  }

  @Test func shardsWithoutAnIndexMustBeComplete() throws {
    let scratch = try Scratch()
    try scratch.write(#"{"_class_name": "A"}"#, to: "config.json")
    try scratch.weights("a", at: "diffusion_pytorch_model.fp16-00001-of-00002.safetensors")
    #expect(problem(scratch.path) == .incompleteShards(found: 1, count: 2, firstMissing: 2))
    try scratch.weights("b", at: "diffusion_pytorch_model.fp16-00002-of-00002.safetensors")
    let model = try Checkpoint(path: scratch.path)
    #expect(model.layout == .shardedFolder(indexName: "diffusion_pytorch_model.safetensors.index.fp16.json"))
    #expect(model.tensorCount == 2)
  }
}
