import Adapters
import Foundation
import Platform
import Safetensors
import TestSupport
import Testing

/// A tensor of one F32 element.
func number(_ name: String, _ value: Float) -> TestTensor {
  TestTensor(name, .f32, [], bytes: withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) })
}

/// A tensor of zeros in F32.
func zeros(_ name: String, _ shape: [Int], _ dtype: DType = .f32) -> TestTensor { TestTensor(name, dtype, shape) }

/// The factors of a linear layer of 6 x 4, in kohya's names.
func kohyaPair(_ module: String, rank: Int = 2) -> [TestTensor] {
  [zeros(module + ".lora_down.weight", [rank, 4]), zeros(module + ".lora_up.weight", [6, rank])]
}

/// Reads an adapter of these tensors as one file.
func fileAdapter(
  _ tensors: [TestTensor], metadata: [String: String]? = nil, name: String = "adapter.safetensors"
) throws -> Adapter {
  let scratch = try Scratch()
  let text = try metadata.map { String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self) }
  try writeFile(scratch.file(name), tensors, metadata: text)
  return try Adapter(path: scratch.file(name))
}

/// The error that reading such a file ends with.
func fileRefusal(
  _ tensors: [TestTensor], metadata: [String: String]? = nil, _ location: SourceLocation = #_sourceLocation
) throws -> AdapterError {
  let error = try #require(throws: AdapterError.self, sourceLocation: location) {
    _ = try fileAdapter(tensors, metadata: metadata)
  }
  #expect(!error.message.isEmpty && error.category == .refusedInput, sourceLocation: location)
  return error
}
