import Foundation
import Safetensors

extension Scratch {
  @discardableResult
  package func link(_ name: String, to destination: String) throws -> String {
    try FileManager.default.createSymbolicLink(atPath: file(name), withDestinationPath: destination)
    return file(name)
  }

  /// A safetensors file with one byte for each name.
  @discardableResult
  package func weights(_ names: String..., at name: String) throws -> String {
    let tensors = try names.map { (try HeaderEncoder.Tensor(name: TensorName($0), dtype: .u8, shape: [1]), [UInt8(1)]) }
    try SafetensorsWriter.write(path: file(name), tensors: tensors)
    return file(name)
  }

  /// Everything in the folder `name`, at any depth, links not followed.
  package func tree(_ name: String = "") throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: name.isEmpty ? path : file(name)).sorted()
  }
}
