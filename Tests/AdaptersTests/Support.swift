import Foundation
import Safetensors
import TestSupport
import Testing

@testable import Adapters

extension Scratch {
  func write(_ tensors: [Entry], to name: String = "adapter_model.safetensors") throws {
    let entries = try tensors.map { entry in
      let tensor = try HeaderEncoder.Tensor(name: TensorName(entry.name), dtype: entry.dtype, shape: entry.shape)
      return (tensor: tensor, bytes: [UInt8](repeating: 0, count: tensor.byteCount))
    }
    try SafetensorsWriter.write(path: file(name), tensors: entries)
  }
}

/// A tensor to be written, full of zeros.
struct Entry {
  var name: String
  var shape: [Int]
  var dtype = DType.f32

  init(_ name: String, _ shape: [Int], _ dtype: DType = .f32) {
    self.name = name
    self.shape = shape
    self.dtype = dtype
  }
}

/// The two factors of a Linear of 6 x 4.
func pair(_ module: String, rank: Int = 8) -> [Entry] {
  [
    Entry("base_model.model.\(module).lora_A.weight", [rank, 4]),
    Entry("base_model.model.\(module).lora_B.weight", [6, rank]),
  ]
}

/// A tensor under PEFT's prefix.
func entry(_ key: String, _ shape: [Int], _ dtype: DType = .f32) -> Entry {
  Entry("base_model.model.\(key)", shape, dtype)
}

/// Factors of any shape under PEFT's prefix.
func factors(_ module: String, a: [Int], b: [Int]) -> [Entry] {
  [entry("\(module).lora_A.weight", a), entry("\(module).lora_B.weight", b)]
}

/// Reads an adapter of LoRA of these fields, beside the peft_type, and tensors.
func adapter(_ fields: String = "", _ tensors: [Entry] = pair("m.q_proj")) throws -> Adapter {
  try adapter(json: #"{"peft_type": "LORA"\#(fields.isEmpty ? "" : ", ")\#(fields)}"#, tensors)
}

/// Reads an adapter of this config and tensors.
func adapter(json: String, _ tensors: [Entry]) throws -> Adapter {
  let scratch = try Scratch()
  try scratch.write(json, to: "adapter_config.json")
  try scratch.write(tensors)
  return try Adapter(folder: scratch.path)
}

/// The error that reading such an adapter of LoRA ends with.
func refusal(
  _ fields: String = "", _ tensors: [Entry] = pair("m.q_proj"), _ location: SourceLocation = #_sourceLocation
) throws -> AdapterError {
  try #require(throws: AdapterError.self, sourceLocation: location) { _ = try adapter(fields, tensors) }
}

/// The error that reading such an adapter ends with.
func refusal(
  json: String, _ tensors: [Entry], _ location: SourceLocation = #_sourceLocation
) throws -> AdapterError {
  try #require(throws: AdapterError.self, sourceLocation: location) { _ = try adapter(json: json, tensors) }
}

/// What tests ask of LoRA's updates.
extension ModuleUpdate {
  var terms: [Term<Factor>] { steps.flatMap(\.terms) }
  var products: [(left: Factor, right: Factor, diagonal: Factor?)] {
    terms.compactMap {
      if case .product(let left, let right, let diagonal) = $0.formula { (left, right, diagonal) } else { nil }
    }
  }
  var a: Int { inWitness.tensor }
  var b: Int { outWitness.tensor }
  var diagonal: Factor? { products.first?.diagonal }
  var magnitude: Factor? {
    for case .rescale(let rescaling) in steps { return rescaling.magnitudes }
    return nil
  }
}

extension AdapterKey {
  /// A key of a LoRA adapter.
  init(_ name: TensorName) throws(AdapterError.Problem) { try self.init(name, .peft(LoRA.self)) }
}
