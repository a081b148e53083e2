import Foundation
import JSONText
import Safetensors
import TestSupport

/// What a merge of an image case wrote, compared with what it had to write. The rules are those of `Fixtures/checks/check_image.py`.
struct ImageCaseResult {
  private let imageCase: ImageCase
  private let base: StoredModel
  private let output: StoredModel
  private let outputPath: String
  private(set) var errors: [String] = []

  /// Metadata that a change of the data makes wrong.
  private static let checksums = ["modelspec.hash_sha256", "sshs_model_hash", "sshs_legacy_hash"]
  /// Tensors that belong to a quantized weight and may change or go with it.
  private static let scales = ["scale_weight", "weight_scale", "scale_input", "input_scale", "comfy_quant"]

  init(_ imageCase: ImageCase, output path: String) throws {
    self.imageCase = imageCase
    outputPath = path
    base = try StoredModel.fixture(imageCase.base)
    output = try StoredModel(path)
    try compareTensors()
    if imageCase.isFile { try compareMetadata() } else { try compareFiles() }
  }

  private mutating func compareTensors() throws {
    var expected: [String: [String: TestTensor]] = [:]
    for tensor in try readTensors(imageCase.expected) {
      let parts = tensor.name.split(separator: "|").map(String.init)
      expected[imageCase.isFile ? "" : StoredModel.folder(of: parts[0]), default: [:]][parts[parts.count - 1]] = tensor
    }
    for folder in Set(base.tensors.keys).union(output.tensors.keys).sorted() {
      let (before, after) = (base.tensors[folder] ?? [:], output.tensors[folder] ?? [:])
      let wanted = expected[folder] ?? [:]
      let scales = imageCase.isDecoded ? wanted.keys.flatMap { name in Self.scales.map { stem(name) + $0 } } : []
      let loose = Set(scales)
      for name in Set(before.keys).union(after.keys).subtracting(loose).sorted() {
        guard let one = before[name], let other = after[name] else {
          errors.append("\(name): \(before[name] == nil ? "not in the base" : "missing")")
          continue
        }
        if let exact = wanted[name] {
          if let error = Self.difference(other, exact, base: one, after, imageCase) {
            errors.append("\(name): \(error)")
          }
        } else if one.dtype != other.dtype || one.shape != other.shape || one.bytes != other.bytes {
          errors.append("\(name): changed, and should not be")
        }
      }
    }
  }

  private func stem(_ name: String) -> String { String(name.dropLast("weight".count)) }

  /// What is wrong with a changed tensor; nil: nothing.
  private static func difference(
    _ tensor: TestTensor, _ exact: TestTensor, base: TestTensor, _ all: [String: TestTensor], _ imageCase: ImageCase
  ) -> String? {
    guard tensor.shape == exact.shape else { return "shape \(tensor.shape) in place of \(exact.shape)" }
    if !imageCase.isDecoded, tensor.dtype != base.dtype { return "dtype \(tensor.dtype) in place of \(base.dtype)" }
    let (wanted, dtype) = (exact.doubles, tensor.dtype)
    var found = tensor.doubles
    let largest = wanted.map(\.magnitude).max() ?? 0
    var scale: Double?
    if imageCase.isDecoded, dtype == .f8E4M3 {
      scale = scales.prefix(2).lazy.compactMap { all[tensor.name.dropLast("weight".count) + $0]?.doubles.first }.first
      if let scale { found = found.map { $0 * scale } }
    }
    let wrong = zip(found, wanted).filter { value, right in
      let target: Double
      let limit: Double
      if imageCase.isDecoded {
        target = right
        // A scale that is no power of two moves the places of the codes; below the normal codes steps are equal.
        limit =
          dtype == .f8E4M3
          ? right.magnitude * 0x1p-4 * 1.01 + (scale == nil ? 1 : largest) * 0x1p-9
          : 0.505 * Elements.ulp(right, dtype) + 1e-6 * largest
      } else if imageCase.isExact {
        target = Double(Elements.widen(Elements.narrow(right, dtype), dtype))
        limit = dtype == .f32 ? 2 * Elements.ulp(right, dtype) : 0
      } else {
        target = right
        limit = 0.5001 * Elements.ulp(right, dtype) + imageCase.tolerance * largest
      }
      return !((value - target).magnitude <= limit)
    }
    return wrong.isEmpty ? nil : "\(wrong.count) of \(found.count) numbers are wrong, such as \(wrong[0])"
  }

  // MARK: Metadata and other files

  private mutating func compareMetadata() throws {
    let (before, after) = (base.metadata, output.metadata)
    let quantization = "_quantization_metadata"
    for key in Self.checksums where after[key] != nil && after[key] == before[key] {
      errors.append("metadata \(key): of the base's data")
    }
    for (key, value) in before where !Self.checksums.contains(key) && key != quantization && after[key] != value {
      errors.append("metadata \(key): lost or changed")
    }
    for key in after.keys where before[key] == nil && (key.hasPrefix("ss_") || key == "lora_adapter_metadata") {
      errors.append("metadata \(key): of the adapter")
    }
    guard before[quantization] != nil else { return }
    let text = Array((after[quantization] ?? #"{"layers": {}}"#).utf8)
    guard case .object(let layers)? = try JSONParser.parse(text.span)["layers"] else {
      errors.append("metadata \(quantization): no layers")
      return
    }
    let quantized = (output.tensors[""] ?? [:]).values.filter { $0.dtype == .f8E4M3 }.map(\.name)
    if Set(layers.map { $0.key + ".weight" }) != Set(quantized) {
      errors.append("metadata \(quantization): other layers than those in FP8")
    }
  }

  private mutating func compareFiles() throws {
    let (before, after) = (try tree(imageCase.base), try tree(outputPath))
    for (name, bytes) in before where !name.hasSuffix(".safetensors") {
      if !name.contains(".safetensors.index.") {
        if after[name] != bytes { errors.append("\(name): not copied") }
        continue
      }
      guard let index = after[name], case .object(let map)? = try JSONParser.parse(index.span)["weight_map"] else {
        errors.append("\(name): no index")
        continue
      }
      let files = Dictionary(
        uniqueKeysWithValues: map.compactMap { member in
          if case .string(let file) = member.value { (member.key, file) } else { nil }
        })
      if files != output.files[StoredModel.folder(of: name)] { errors.append("\(name): not the files of the tensors") }
    }
  }
}

extension TestTensor {
  /// The numbers.
  fileprivate var doubles: [Double] {
    switch dtype {
    case .f64:
      return stride(from: 0, to: bytes.count, by: 8).map { place in
        Double(bitPattern: (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) })
      }
    case .f8E4M3:
      return bytes.map { code in
        let (exponent, fraction) = (Int(code >> 3 & 15), Double(code & 7))
        let magnitude =
          code & 0x7f == 0x7f ? .nan : exponent == 0 ? fraction * 0x1p-9 : (8 + fraction) * exp2(Double(exponent - 10))
        return code < 0x80 ? magnitude : -magnitude
      }
    default: return Elements.numbers(Elements.bits(bytes, dtype), dtype).map(Double.init)
    }
  }
}
