import Checkpoints
import Foundation
import JSONText
import MergePlanning
import Safetensors
import TestSupport
import Testing

@testable import MergeEngine

/// A merge into FP8 that is written in FP8 again, an element after another: the delta in fp32, as every merge has it, all
/// else by formulas and by looking for the nearest of all numbers.
struct PlainRequantization {
  let weight: String
  let scaleName: String
  let isE4M3: Bool
  private(set) var codes: [UInt8] = []
  private(set) var scaleBytes: [UInt8] = []

  init(_ fixture: QuantizedFixture, adapter: String) throws {
    let tensors = try loadTensors(fixture.base)
    let key = fixture.weights[0]
    weight = key
    scaleName = try #require(
      [key + "_scale_inv", key + "_scale"].first { tensors[TensorName($0)] != nil }, "no scales")
    let base = try #require(tensors[TensorName(weight)], "no weight")
    isE4M3 = base.info.dtype == .f8E4M3
    guard isE4M3 else { return }
    let scales = try #require(tensors[TensorName(scaleName)], "no scales")
    let (rows, columns) = (base.info.shape[0], base.info.shape[1])
    let grid = try Self.blockSize(fixture, scales.info.shape, rows, columns)
    let old = Self.widened(Array(scales.data), scales.info.dtype)
    let delta = try Self.delta(adapter, rows, columns)
    let scaleColumns = (columns - 1) / grid.columns + 1
    var values = [Float](repeating: 0, count: rows * columns)
    let before = Array(base.data)
    for index in values.indices {
      let block = index / columns / grid.rows * scaleColumns + index % columns / grid.columns
      let product = Self.numbers[Int(before[index])] * old[block]
      values[index] = product + delta[index]
    }
    var largest = [Float](repeating: 0, count: ((rows - 1) / grid.rows + 1) * scaleColumns)
    for (index, value) in values.enumerated() where value.isFinite {
      let block = index / columns / grid.rows * scaleColumns + index % columns / grid.columns
      largest[block] = max(largest[block], abs(value))
    }
    let isQuotient = fixture.name.hasPrefix("compressed")
    let dtype = scales.info.dtype
    let new = largest.map { Self.scale($0, dtype, isQuotient: isQuotient) }
    scaleBytes = new.flatMap { Self.bytes($0.scale, dtype) }
    codes = values.enumerated().map { index, value in
      let block = index / columns / grid.rows * scaleColumns + index % columns / grid.columns
      return Self.nearest(isQuotient ? value / new[block].scale : value * new[block].factor)
    }
  }

  /// What (1 / m) * 448, or m / 448, gives; 1 where the dtype has nothing as small.
  private static func scale(_ largest: Float, _ dtype: DType, isQuotient: Bool) -> (scale: Float, factor: Float) {
    let factor = 1 / largest * 448
    var scale = isQuotient ? largest / 448 : 1 / factor
    if [.f8E8M0, .u8].contains(dtype), scale > 0 { scale = Float(exp2(ceil(log2(Double(scale))))) }
    scale = widened(bytes(scale, dtype), dtype)[0]
    guard largest > 0, scale > 0, (1 / scale).isFinite else { return (1, 1) }
    return (scale, dtype == .f32 ? factor : 1 / scale)
  }

  private static func blockSize(
    _ fixture: QuantizedFixture, _ scales: [Int], _ rows: Int, _ columns: Int
  ) throws -> (rows: Int, columns: Int) {
    let text = try contents(fixture.base + "/config.json")
    let config = try JSONParser.parse(text.span)
    if case .array(let sizes)? = config["quantization_config"]?["weight_block_size"],
      case .integer(let first)? = sizes.first, case .integer(let second)? = sizes.last
    {
      return (Int(first), Int(second))
    }
    return scales.reduce(1, *) == 1 ? (rows, columns) : (1, columns)
  }

  /// `s * (B A)` of rank 2 with alpha 2.
  private static func delta(_ adapter: String, _ rows: Int, _ columns: Int) throws -> [Float] {
    let file = try LoadedFile(adapter + "/adapter_model.safetensors")
    func factor(_ part: String) -> [Float] {
      let name = file.names.first { $0.hasSuffix(".\(part).weight") } ?? ""
      return widened(file.data(name) ?? [], .f32)
    }
    let (a, b) = (factor("lora_A"), factor("lora_B"))
    return (0..<rows * columns).map { index in
      let (row, column) = index.quotientAndRemainder(dividingBy: columns)
      let first = (0 as Float).addingProduct(b[row * 2], a[column])
      return first.addingProduct(b[row * 2 + 1], a[columns + column])
    }
  }

  /// The numbers of E4M3 by code.
  private static let numbers: [Float] = (0..<256).map { code in
    let (exponent, fraction) = (code >> 3 & 15, code & 7)
    var magnitude = exponent == 0 ? Float(fraction) / 512 : Float(8 + fraction) * exp2(Float(exponent - 10))
    if code & 0x7F == 0x7F { magnitude = .nan }
    return code < 128 ? magnitude : -magnitude
  }

  /// Of two that are as near the one with an even code.
  private static func nearest(_ value: Float) -> UInt8 {
    guard !value.isNaN else { return 0x7F }
    let magnitude = min(Double(abs(value)), 448)
    var best: UInt8 = 0
    for code in UInt8(0)..<0x7F {
      let (distance, least) = (
        abs(Double(numbers[Int(code)]) - magnitude), abs(Double(numbers[Int(best)]) - magnitude)
      )
      if distance < least || (distance == least && code % 2 == 0) { best = code }
    }
    return value.sign == .minus ? best | 0x80 : best
  }

  private static func widened(_ bytes: [UInt8], _ dtype: DType) -> [Float] {
    if [.f8E8M0, .u8].contains(dtype) {
      return bytes.map {
        $0 == 255 ? (dtype == .u8 ? .infinity : .nan) : Float(sign: .plus, exponent: Int($0) - 127, significand: 1)
      }
    }
    return Elements.bits(bytes, dtype).map { Elements.widen($0, dtype) }
  }

  private static func bytes(_ value: Float, _ dtype: DType) -> [UInt8] {
    if [.f8E8M0, .u8].contains(dtype) { return [UInt8(max(0, min(254, Int(max(-200, value.exponent)) + 127)))] }
    let bits = Elements.narrow(value, dtype)
    return (0..<dtype.bitCount / 8).map { UInt8(truncatingIfNeeded: bits >> UInt32(8 * $0)) }
  }
}
