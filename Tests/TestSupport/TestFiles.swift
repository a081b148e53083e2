import Foundation
import Safetensors

/// A tensor of a file that a test writes.
package struct TestTensor {
  package let name: String
  package let dtype: DType
  package let shape: [Int]
  package let bytes: [UInt8]

  package init(_ name: String, _ dtype: DType, _ shape: [Int], bytes: [UInt8]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }

  /// A tensor of zeros.
  package init(_ name: String, _ dtype: DType, _ shape: [Int]) {
    let bits = shape.reduce(1, *) * dtype.bitCount
    self.init(name, dtype, shape, bytes: [UInt8](repeating: 0, count: bits / 8))
  }
}

/// Writes a safetensors file with a header made here, in the order given.
///
/// - Parameters:
///   - metadata: JSON text of an object.
///   - dataStart: What the data's offset in the file is modulo 8.
package func writeFile(_ path: String, _ tensors: [TestTensor], metadata: String? = nil, dataStart: Int = 0) throws {
  var entries = metadata.map { ["\"__metadata__\":\($0)"] } ?? []
  var data: [UInt8] = []
  for tensor in tensors {
    let end = data.count + tensor.bytes.count
    let shape = tensor.shape.map(String.init).joined(separator: ",")
    entries.append(
      "\"\(tensor.name)\":{\"dtype\":\"\(tensor.dtype.name)\",\"shape\":[\(shape)],"
        + "\"data_offsets\":[\(data.count),\(end)]}")
    data += tensor.bytes
  }
  var text = Array("{\(entries.joined(separator: ","))}".utf8)
  while text.count % 8 != dataStart { text.append(UInt8(ascii: " ")) }
  let length = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }
  try write(length + text + data, to: path)
}

/// Writes `model.safetensors.index.json` for shards with these tensors.
package func writeIndex(_ folder: String, _ shards: [(name: String, tensors: [TestTensor])]) throws {
  let entries = shards.flatMap { shard in shard.tensors.map { "\"\($0.name)\":\"\(shard.name)\"" } }
  let size = shards.flatMap(\.tensors).reduce(0) { $0 + $1.bytes.count }
  let text = "{\"metadata\":{\"total_size\":\(size)},\"weight_map\":{\(entries.joined(separator: ","))}}"
  try write(Array(text.utf8), to: folder + "/model.safetensors.index.json")
}

/// Writes an adapter's folder; returns its path.
///
/// - Parameters:
///   - tensors: With the names that they have in the file, but for `base_model.model.`.
///   - fields: Members of adapter_config.json beyond r and lora_alpha, as JSON text.
package func writeAdapter(
  _ folder: String, rank: Int, alpha: String, _ tensors: [TestTensor], fields: String = "", dataStart: Int = 0
) throws -> String {
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  let more = fields.isEmpty ? "" : ", \(fields)"
  let config = "{\"peft_type\": \"LORA\", \"r\": \(rank), \"lora_alpha\": \(alpha)\(more)}"
  try write(Array(config.utf8), to: folder + "/adapter_config.json")
  let named = tensors.map {
    TestTensor("base_model.model." + $0.name, $0.dtype, $0.shape, bytes: $0.bytes)
  }
  try writeFile(
    folder + "/adapter_model.safetensors", named, metadata: "{\"format\":\"pt\"}", dataStart: dataStart)
  return folder
}
