import Checkpoints
import JSONText
import TestSupport
import Testing

@Suite struct ModelFolderTests {
  @Test(
    arguments: [
      (["model.safetensors", "config.json"], .model),
      (["model.safetensors.index.json", "model-00001-of-00002.safetensors"], .model),
      (["model-00001-of-00001.safetensors"], .model), (["pytorch_model.bin"], .model),
      (["model.fp16.safetensors"], .model),
      (["adapter_config.json", "adapter_model.safetensors"], .adapter),
      (
        ["adapter_config.json", "adapter_model.safetensors", "config.json", "training_args.bin", "optimizer.pt"],
        .adapter
      ),
      (["adapter_config.json", "adapter_model.bin"], .adapter), (["adapter_config.json"], .adapter),
      (["adapter_model-00001-of-00002.safetensors"], .adapter),
      (["adapter_config.json", "adapter_model.safetensors", "model.safetensors"], .both),
      (["adapter_config.json", "adapter_model.safetensors", "model.safetensors.index.json"], .both),
      // Left by a training of the whole model.
      (["adapter_config.json", "model.safetensors"], .model), ([], .neither),
      (["config.json", "tokenizer.json"], .neither),
    ] as [([String], ModelFolder)])
  func isRecognizedByNames(entries: [String], kind: ModelFolder) { #expect(ModelFolder(entries: entries) == kind) }

  @Test func configMayNameTheWeights() throws {
    let scratch = try Scratch()
    try scratch.write(#"{"transformers_weights":"x.safetensors"}"#, to: "config.json")
    try scratch.write("", to: "x.safetensors")
    #expect(ModelFolder(scratch.path) == .model)
    #expect(ModelFolder(scratch.file("missing")) == .neither)
  }
}
