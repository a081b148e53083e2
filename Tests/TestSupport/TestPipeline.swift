import Foundation
import Safetensors

/// A pipeline of diffusers with small parts: two text encoders with the same names, a sharded unet, a part of pickles.
package struct TestPipeline {
  package let scratch: Scratch
  /// Its folder in the scratch folder.
  package let name: String

  package var path: String { scratch.file(name) }

  /// The index of the unet.
  package static let indexName = "diffusion_pytorch_model.safetensors.index.json"
  private static let unetShards = [
    "diffusion_pytorch_model-00001-of-00002.safetensors", "diffusion_pytorch_model-00002-of-00002.safetensors",
  ]
  package static let weights =
    ["text_encoder/model.safetensors", "text_encoder_2/model.safetensors"] + unetShards.map { "unet/" + $0 }
    + ["vae/diffusion_pytorch_model.safetensors"]
  private static let index = """
    {"_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.42.1", "force_zeros_for_empty_prompt": true,
     "image_encoder": [null, null], "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
     "scheduler": ["diffusers", "EulerDiscreteScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
     "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"], "tokenizer": ["transformers", "CLIPTokenizer"],
     "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    """

  /// Writes the pipeline.
  package init(_ scratch: Scratch, at name: String = "base") throws {
    self.scratch = scratch
    self.name = name
    try write(Self.index, to: "model_index.json")
    try write("the base's card", to: "README.md")
    try write(#"{"_class_name": "UNet2DConditionModel"}"#, to: "unet/config.json")
    try write(#"{"_class_name": "AutoencoderKL"}"#, to: "vae/config.json")
    for part in ["text_encoder", "text_encoder_2"] {
      // What a rule for language models would take for a fact about the pipeline.
      try write(
        #"{"model_type": "clip_text_model", "tie_word_embeddings": true, "torch_dtype": "float32"}"#,
        to: part + "/config.json")
    }
    try write("{}", to: "scheduler/scheduler_config.json")
    try write("{}", to: "tokenizer/vocab.json")
    try write("#version", to: "tokenizer/merges.txt")
    try write("{}", to: "safety_checker/config.json")
    try write("pickled", to: "safety_checker/pytorch_model.bin")
    try write(Self.textEncoder(1), to: "text_encoder/model.safetensors")
    try write(Self.textEncoder(2), to: "text_encoder_2/model.safetensors")
    try write(
      [Self.tensor("conv_in.weight", [4, 2, 3, 3], 3), Self.tensor("mid.to_q.weight", [4, 4], 4)],
      to: "unet/" + Self.unetShards[0])
    try write([Self.tensor("conv_out.weight", [2, 4], 5)], to: "unet/" + Self.unetShards[1])
    try write(
      """
      {"metadata": {"total_size": 384}, "weight_map": {"conv_in.weight": "\(Self.unetShards[0])",
       "conv_out.weight": "\(Self.unetShards[1])", "mid.to_q.weight": "\(Self.unetShards[0])"}}
      """, to: "unet/" + Self.indexName)
    try write([Self.tensor("decoder.weight", [3, 2], 6)], to: "vae/diffusion_pytorch_model.safetensors")
  }

  package static func textEncoder(_ seed: Int) -> [TestTensor] {
    [tensor("text_model.final_layer_norm.weight", [4], seed + 10), tensor("text_model.q_proj.weight", [4, 4], seed)]
  }

  /// A tensor of F32 with small whole numbers.
  package static func tensor(_ name: String, _ shape: [Int], _ seed: Int) -> TestTensor {
    let bytes = (0..<shape.reduce(1, *)).flatMap { place in
      let bits = Float((place * 7 + seed * 5) % 11 - 5).bitPattern
      return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
    }
    return TestTensor(name, .f32, shape, bytes: bytes)
  }

  package func write(_ text: String, to file: String) throws { try scratch.write(text, to: name + "/" + file) }

  package func write(_ tensors: [TestTensor], to file: String) throws {
    try scratch.folder((name + "/" + file).split(separator: "/").dropLast().joined(separator: "/"))
    try writeFile(path + "/" + file, tensors, metadata: #"{"format":"pt"}"#)
  }

  package func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: path + "/" + file) }

  package func rename(_ file: String, to other: String) throws {
    try FileManager.default.moveItem(atPath: path + "/" + file, toPath: path + "/" + other)
  }

  /// An adapter that changes the second text encoder and the unet, by names with the part before them; returns its path.
  package func adapter() throws -> String {
    try writeAdapter(
      scratch.file("adapter"), rank: 1, alpha: "1",
      [
        Self.tensor("text_encoder_2/text_model.q_proj.lora_A.weight", [1, 4], 1),
        Self.tensor("text_encoder_2/text_model.q_proj.lora_B.weight", [4, 1], 2),
        Self.tensor("unet/mid.to_q.lora_A.weight", [1, 4], 3), Self.tensor("unet/mid.to_q.lora_B.weight", [4, 1], 4),
      ])
  }
}
