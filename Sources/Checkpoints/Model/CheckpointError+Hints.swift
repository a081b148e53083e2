import Platform
import Safetensors

extension CheckpointError {
  /// The hint for a folder whose weights have unexpected names or another format.
  static func hint(others: [String]) -> String? {
    guard let first = others.first else { return nil }
    if first.hasSuffix(".safetensors.index.json") { return "pass the index itself as the base" }
    // The index of a variant, such as model.safetensors.index.fp16.json.
    if others.contains(where: { $0.hasSuffix(".json") }) {
      return "rename the files to model.safetensors, or to model-00001-of-0000N.safetensors"
    }
    if first.hasSuffix(".gguf") { return SafetensorsError.ggufHint }
    guard first.hasSuffix(".safetensors") else {
      return "only safetensors files are supported; download the model in that format"
    }
    return others.count == 1
      ? "rename it to model.safetensors, or pass the file itself as the base"
      : "rename the right ones to model.safetensors or model-00001-of-0000N.safetensors, or pass one file as the base"
  }

  /// How to convert pickled weights to safetensors files that can be merged: file by file, as shards without an index.
  static func conversion(of name: String) -> String {
    let pattern = SideFiles.shardPattern(name).map { $0.hasPrefix("pytorch_model") ? "pytorch_model*.bin" : $0 } ?? name
    return "convert it in that folder: python3 -c \"import glob, os, torch, safetensors.torch as s; "
      + "[s.save_file({k: v.clone().contiguous() for k, v in torch.load(f, map_location='cpu', weights_only=True).items()}, "
      + "os.path.splitext(f)[0]\(name.hasPrefix("diffusion_") ? "" : ".replace('pytorch_', '')") + '.safetensors', metadata={'format': 'pt'}) "
      + "for f in sorted(glob.glob('\(pattern)'))]\""
  }

  static func list(_ names: [String]) -> String {
    names.prefix(3).joined(separator: ", ") + (names.count > 3 ? " and \(names.count - 3) more" : "")
  }
}
