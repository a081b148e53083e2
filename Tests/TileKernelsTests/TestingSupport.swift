import Foundation
import TileKernels

/// A generator whose seed can be given, to run a failure again: `SAFEMERGE_TEST_SEED=... swift test`.
struct SeededGenerator: RandomNumberGenerator, CustomStringConvertible {
  let seed: UInt64
  private var state: UInt64

  init() {
    let given = ProcessInfo.processInfo.environment["SAFEMERGE_TEST_SEED"].flatMap { UInt64($0) }
    seed = given ?? UInt64.random(in: 0 ... .max)
    state = seed
  }

  var description: String { "SAFEMERGE_TEST_SEED=\(seed)" }

  // SplitMix64.
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }

  mutating func floats(_ count: Int) -> [Float] {
    (0..<count).map { _ in Float(Int32(truncatingIfNeeded: next()) >> 8) * 0x1p-23 }
  }

  /// Bits of elements, one in four of a kind for which conversions have to be careful.
  mutating func bits(_ count: Int, _ type: ElementType) -> [UInt32] {
    let wide: [UInt32] = [
      0, 0x8000_0000, 1, 0x8000_0001, 0x007f_ffff, 0x0080_0000, 0x7f7f_ffff, 0xff7f_ffff, 0x7f80_0000, 0xff80_0000,
      0x7f80_0001, 0xffbf_ffff, 0x7fc0_0000, 0xffff_ffff, 0x477f_e000, 0x477f_efff, 0x477f_f000, 0x3300_0000,
      0x3300_0001, 0x7f7f_7fff, 0x7f7f_8000,
    ]
    let narrow: [UInt32] = [
      0, 0x8000, 1, 0x8001, 0x3ff, 0x400, 0x7f, 0x80, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7c01, 0xfdff, 0x7e00, 0xffff,
      0x7f7f, 0xff7f, 0x7f80, 0xff80, 0x7f81, 0xffbf, 0x7fc0,
    ]
    return (0..<count).map { _ in
      let word = next()
      if word & 3 == 0 {
        let table = type == .f32 ? wide : narrow
        return table[Int(word >> 8 % UInt64(table.count))]
      }
      return type == .f32 ? UInt32(word >> 32) : UInt32(word >> 48)
    }
  }
}

/// The elements as little-endian bytes, after `offset` bytes of something else.
func bytes(_ elements: [UInt32], _ type: ElementType, offset: Int = 0) -> [UInt8] {
  var result = [UInt8](repeating: 0xa5, count: offset)
  result.reserveCapacity(offset + elements.count * type.byteCount)
  for element in elements {
    for byte in 0..<type.byteCount { result.append(UInt8(truncatingIfNeeded: element >> UInt32(8 * byte))) }
  }
  return result
}

func elements(_ bytes: ArraySlice<UInt8>, _ type: ElementType) -> [UInt32] {
  stride(from: bytes.startIndex, to: bytes.endIndex, by: type.byteCount).map { start in
    (0..<type.byteCount).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
  }
}

/// Where two lists of bits first differ; `nil` if they are equal. NaN counts as equal only to the same NaN.
func difference(_ found: [UInt32], _ expected: [UInt32]) -> String? {
  if found.count != expected.count { return "\(found.count) elements instead of \(expected.count)" }
  guard let i = found.indices.first(where: { found[$0] != expected[$0] }) else { return nil }
  return "element \(i) is \(String(found[i], radix: 16)) instead of \(String(expected[i], radix: 16))"
}

/// The same for delta tiles, in which every NaN is as good as another.
func difference(_ found: [Float], _ expected: [Float]) -> String? {
  func bits(_ value: Float) -> UInt32 { value.isNaN ? 0x7fc0_0000 : value.bitPattern }
  return difference(found.map(bits), expected.map(bits))
}

extension KernelSet {
  func widened(_ bytes: [UInt8], from offset: Int = 0, _ type: ElementType, count: Int) throws -> [UInt32] {
    var result = [Float](repeating: 7, count: count)
    var span = result.mutableSpan
    try widen(bytes.span.bytes.extracting(offset..<offset + count * type.byteCount), as: type, into: &span)
    return result.map(\.bitPattern)
  }

  /// Combines elements that lie `offset` bytes after an aligned address into bytes that lie `outputOffset` after one.
  func combined(
    _ weights: [UInt32], _ type: ElementType, _ delta: [Float], _ outputType: ElementType, offset: Int = 0,
    outputOffset: Int = 0
  ) throws -> (bits: [UInt32], overflows: UInt64) {
    let source = bytes(weights, type, offset: offset)
    let size = weights.count * outputType.byteCount
    let margin = 70
    var output = [UInt8](repeating: 0x5a, count: outputOffset + size + margin)
    var span = output.mutableSpan
    var raw = span.mutableBytes
    var target = raw._mutatingExtracting(outputOffset..<outputOffset + size + margin)
    let overflows = try combine(
      source.span.bytes.extracting(offset..<source.count), as: type, with: delta.span, into: &target, as: outputType)
    let around = output[..<outputOffset] + output[(outputOffset + size)...]
    guard around.allSatisfy({ $0 == 0x5a }) else { throw WroteOutside() }
    return (elements(output[outputOffset..<outputOffset + size], outputType), overflows)
  }

  struct WroteOutside: Error {}
}
