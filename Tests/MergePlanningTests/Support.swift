import Adapters
import Checkpoints
import Safetensors
import TestSupport

@testable import MergePlanning

/// The plan of a base and an adapter that are written for it.
///
/// - Parameters:
///   - config: Text of config.json; nil: the base is one file.
///   - beside: More files of the base's folder.
func makePlan(
  base: [TestTensor], _ adapter: [TestTensor], config: String?, beside: [String: String] = [:], rank: Int = 2,
  alpha: String = "4", fields: String = "", weights: [Double] = [1], options: MergeOptions = MergeOptions()
) throws -> MergePlan {
  let scratch = try Scratch()
  var path = scratch.file("base.safetensors")
  if let config {
    path = try scratch.folder("base")
    try scratch.write(config, to: "base/config.json")
    for (name, text) in beside { try scratch.write(text, to: "base/" + name) }
  }
  try writeFile(config == nil ? path : path + "/model.safetensors", base)
  return try makePlan(
    base: path, adapter, in: scratch, rank: rank, alpha: alpha, fields: fields, weights: weights, options: options)
}

/// The plan of a base that is there and an adapter that is written for it.
func makePlan(
  base: String, _ adapter: [TestTensor], in scratch: Scratch, rank: Int = 2, alpha: String = "4", fields: String = "",
  weights: [Double] = [1], options: MergeOptions = MergeOptions()
) throws -> MergePlan {
  let folder = try writeAdapter(scratch.file("adapter"), rank: rank, alpha: alpha, adapter, fields: fields)
  return try MergePlan(
    base: Checkpoint(path: base), adapters: weights.map { AdapterUse(try Adapter(folder: folder), weight: $0) },
    options: options)
}

/// The factors of a linear module.
func loraLayer(_ module: String, rank: Int = 2, rows: Int, columns: Int) -> [TestTensor] {
  [
    TestTensor("\(module).lora_A.weight", .f32, [rank, columns]),
    TestTensor("\(module).lora_B.weight", .f32, [rows, rank]),
  ]
}

extension MergePlan {
  /// What becomes of a text file of the base; nil: it is not changed.
  func text(of name: String) -> String? {
    textFiles.first { $0.name == name }.map { String(decoding: $0.text, as: UTF8.self) }
  }
}
