import Checkpoints
import JSONText
import Platform
import Safetensors
import TestSupport
import Testing

/// A folder of diffusers as one model of several parts.
@Suite struct PipelineTests {
  @Test func partsWithWeightsAreOneModel() throws {
    let pipeline = try TestPipeline(Scratch())
    let model = try Checkpoint(path: pipeline.path)
    #expect(model.layout == .pipeline)
    #expect(model.folder == pipeline.path)
    #expect(model.files.map(\.name) == TestPipeline.weights)
    #expect(model.parts.map(\.name) == ["text_encoder", "text_encoder_2", "unet", "vae"])
    #expect(model.parts.map(\.files) == [0..<1, 1..<2, 2..<4, 4..<5])
    #expect(model.parts.map(\.indexName) == [nil, nil, "unet/" + TestPipeline.indexName, nil])
    #expect(model.parts[2].className == "UNet2DConditionModel")
    // What the config.json of a part says is no fact about the pipeline.
    #expect(model.config == nil)
    #expect(model.index == nil)
    #expect(model.parts[0].config?["model_type"] == .string("clip_text_model"))
    #expect(
      model.warnings == [
        "\(pipeline.path)/safety_checker: pytorch_model.bin is a Python pickle, which is never opened; it is copied unchanged"
      ])
  }

  /// Two text encoders have the same names of tensors.
  @Test func namesBeginWithThePart() throws {
    let pipeline = try TestPipeline(Scratch())
    let model = try Checkpoint(path: pipeline.path)
    #expect(
      model.tensorNames.map(\.string) == [
        "text_encoder/text_model.final_layer_norm.weight", "text_encoder/text_model.q_proj.weight",
        "text_encoder_2/text_model.final_layer_norm.weight", "text_encoder_2/text_model.q_proj.weight",
        "unet/conv_in.weight", "unet/mid.to_q.weight", "unet/conv_out.weight", "vae/decoder.weight",
      ])
    let place = try #require(model.location(of: "text_encoder_2/text_model.q_proj.weight"))
    #expect(model.files[place.file].path == pipeline.path + "/text_encoder_2/model.safetensors")
    #expect(model.location(of: "text_model.q_proj.weight") == nil)
    #expect(model.tensor(at: place).shape == [4, 4])
    // The part's own index has the names of the file.
    let index = try #require(model.parts[2].index)
    #expect(index.weightMap.map(\.tensor.string).sorted() == ["conv_in.weight", "conv_out.weight", "mid.to_q.weight"])
  }

  @Test func onePartIsAModelToo() throws {
    let pipeline = try TestPipeline(Scratch())
    let unet = try Checkpoint(path: pipeline.path + "/unet")
    #expect(unet.layout == .shardedFolder(indexName: TestPipeline.indexName))
    #expect(unet.parts.isEmpty)
    #expect(unet.config?["_class_name"] == .string("UNet2DConditionModel"))
    #expect(unet.location(of: "conv_in.weight") != nil)
    let vae = try Checkpoint(path: pipeline.path + "/vae")
    #expect(vae.layout == .folder)
    #expect(vae.files.map(\.name) == ["diffusion_pytorch_model.safetensors"])
    #expect(ModelFolder(pipeline.path + "/vae") == .model)
    #expect(ModelFolder(pipeline.path) == .model)
  }

  /// Folders named as parts are a pipeline without model_index.json; a folder of downloads is not.
  @Test func foldersWithoutAnIndex() throws {
    let pipeline = try TestPipeline(Scratch())
    try pipeline.remove("model_index.json")
    let model = try Checkpoint(path: pipeline.path)
    #expect(model.parts.map(\.name) == ["text_encoder", "text_encoder_2", "unet", "vae"])
    #expect(model.parts[2].className == nil)
    #expect(ModelFolder(pipeline.path) == .model)
    for (old, new) in [
      ("unet", "my-unet"), ("vae", "sd-vae"), ("text_encoder", "clip"), ("text_encoder_2", "other-clip"),
    ] { try pipeline.rename(old, to: new) }
    #expect(problem(pipeline.path) == .noWeights(others: []))
    #expect(ModelFolder(pipeline.path) == .neither)
  }

  // MARK: - Variants

  @Test func aSingleVariantIsTheModel() throws {
    let pipeline = try TestPipeline(Scratch())
    try pipeline.rename("vae/diffusion_pytorch_model.safetensors", to: "vae/diffusion_pytorch_model.fp16.safetensors")
    let model = try Checkpoint(path: pipeline.path)
    #expect(model.files.last?.name == "vae/diffusion_pytorch_model.fp16.safetensors")
  }

  @Test func severalVariantsNeedAChoice() throws {
    let pipeline = try TestPipeline(Scratch())
    try pipeline.write(
      [TestPipeline.tensor("decoder.weight", [3, 2], 1)], to: "vae/diffusion_pytorch_model.fp16.safetensors")
    try pipeline.write(TestPipeline.textEncoder(3), to: "text_encoder/model.fp16.safetensors")
    let error = try #require(refusal(pipeline.path))
    #expect(error.errorClass == "variant")
    #expect(error.message == "several variants of the same weights: default, fp16 (in text_encoder, vae)")
    #expect(error.hint == "choose one with --variant: --variant default or --variant fp16")
    func files(_ variant: String) throws -> [String] {
      try Checkpoint(path: pipeline.path, workers: 1, variant: variant).files.map(\.name)
    }
    #expect(try files("default") == TestPipeline.weights)
    // A part that has no such variant is opened without one, as diffusers does.
    #expect(
      try files("fp16") == ["text_encoder/model.fp16.safetensors"] + TestPipeline.weights[1..<4]
        + ["vae/diffusion_pytorch_model.fp16.safetensors"])
    #expect(throws: CheckpointError(path: pipeline.path, .noSuchVariant("bf16", found: ["default", "fp16"]))) {
      try files("bf16")
    }
  }

  // MARK: - Errors

  @Test func aMissingPartIsNamed() throws {
    let pipeline = try TestPipeline(Scratch())
    try pipeline.remove("unet")
    let error = try #require(refusal(pipeline.path))
    #expect(error.errorClass == "not-found")
    #expect(error.file == pipeline.path + "/model_index.json")
    #expect(error.message == "names the part unet (UNet2DConditionModel), whose folder does not exist")
    #expect(error.hint == "incomplete download? download the folder again")
  }

  @Test func aPartWithoutWeightsIsNamed() throws {
    let pipeline = try TestPipeline(Scratch())
    try pipeline.remove("vae/diffusion_pytorch_model.safetensors")
    let error = try #require(refusal(pipeline.path))
    #expect(error.errorClass == "no-weights")
    #expect(error.file == pipeline.path + "/vae")
    #expect(error.message == "no weights in this folder, which model_index.json names as AutoencoderKL")
  }

  /// A scheduler or a tokenizer that is missing loses no weights.
  @Test func aMissingTokenizerIsAWarning() throws {
    let pipeline = try TestPipeline(Scratch())
    try pipeline.remove("tokenizer")
    #expect(
      try Checkpoint(path: pipeline.path).warnings.contains(
        "\(pipeline.path)/tokenizer: does not exist, but model_index.json names it"))
  }

  @Test func aMissingShardIsNamedWithItsPart() throws {
    let pipeline = try TestPipeline(Scratch())
    try pipeline.remove(TestPipeline.weights[3])
    let error = try #require(refusal(pipeline.path) as? CheckpointError)
    #expect(error.problem == .missingShard("diffusion_pytorch_model-00002-of-00002.safetensors"))
    #expect(error.path == pipeline.path + "/unet/" + TestPipeline.indexName)
  }

  @Test func aTensorTwiceInAPartIsNamed() throws {
    let pipeline = try TestPipeline(Scratch())
    try pipeline.write(
      [TestPipeline.tensor("conv_out.weight", [2, 4], 5), TestPipeline.tensor("conv_in.weight", [4], 5)],
      to: TestPipeline.weights[3])
    let error = try #require(refusal(pipeline.path) as? CheckpointError)
    #expect(error.errorClass == "index")
    #expect(error.tensor == "conv_in.weight")
  }

  @Test func picklesOnlyAreRefused() throws {
    let scratch = try Scratch()
    try scratch.write(#"{"unet": ["diffusers", "UNet2DConditionModel"]}"#, to: "model_index.json")
    try scratch.write("", to: "unet/diffusion_pytorch_model.bin")
    let error = try #require(refusal(scratch.path) as? CheckpointError)
    #expect(error.problem == .pickleOnly("diffusion_pytorch_model.bin"))
    #expect(error.path == scratch.path + "/unet")
    // The converted file is named as diffusers opens it.
    #expect(error.hint?.contains("os.path.splitext(f)[0] + '.safetensors'") == true)
  }

  @Test(arguments: ["../unet", "a/b", "..", "unet\\n"]) func unsafePartsAreRefused(name: String) throws {
    let scratch = try Scratch()
    try scratch.write("{\"\(name)\": [\"diffusers\", \"UNet2DConditionModel\"]}", to: "model_index.json")
    #expect(refusal(scratch.path)?.errorClass == "shard-name")
  }

  @Test func aLinkedPartIsRefused() throws {
    let pipeline = try TestPipeline(Scratch())
    try pipeline.rename("vae", to: "../elsewhere")
    try pipeline.scratch.link("base/vae", to: "../elsewhere")
    #expect(problem(pipeline.path) == .notAPlainFolder)
  }
}
