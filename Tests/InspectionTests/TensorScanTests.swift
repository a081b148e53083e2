import CTensorScan
import Checksums
import Foundation
import Platform
import Safetensors
import TestSupport
import Testing

@testable import Inspection

@Suite struct TensorScanTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func source(_ tensors: [TestTensor], _ name: String = "a.safetensors") throws -> TensorScan.Source {
    let path = scratch.file(name)
    try writeFile(path, tensors)
    let header = try SafetensorsHeader(path: path)
    return TensorScan.Source(path: path, header: header, tensors: Array(header.tensors.indices))
  }

  private func figures(_ tensors: [TestTensor], workers: Int = 2) throws -> [String: ElementFigures?] {
    let source = try source(tensors)
    let found = try TensorScan.figures([source], workers: workers) { _ in }
    return Dictionary(
      uniqueKeysWithValues: zip(source.tensors.map { source.header.tensors.name(at: $0).string }, found[0]))
  }

  private static func bytes<Element: FixedWidthInteger>(_ elements: [Element]) -> [UInt8] {
    elements.flatMap { element in (0..<Element.bitWidth / 8).map { UInt8(truncatingIfNeeded: element >> ($0 * 8)) } }
  }

  @Test func tellsTheFiguresOfFloats() throws {
    let values: [Float] = [1, -2, 0, -0.0, .nan, .infinity, -.infinity, 3]
    let tensor = TestTensor("w", .f32, [8], bytes: Self.bytes(values.map(\.bitPattern)))
    let one = try #require(try figures([tensor])["w"] ?? nil)
    #expect((one.elementCount, one.finiteCount, one.zeroCount) == (8, 5, 2))
    #expect((one.nanCount, one.infinityCount) == (1, 2))
    #expect((one.minimum, one.maximum, one.mean) == (-2, 3, 0.4))
    #expect(one.rootMeanSquare == (14.0 / 5).squareRoot())
  }

  @Test func nothingFiniteHasNoMean() throws {
    let all = try figures([
      TestTensor("n", .bf16, [1], bytes: [0xC0, 0x7F]), TestTensor("e", .f32, [0]), TestTensor("c", .c64, [1]),
    ])
    let none = try #require(all["n"] ?? nil)
    #expect(none.minimum == nil && none.maximum == nil && none.mean == nil && none.rootMeanSquare == nil)
    #expect(none.nanCount == 1)
    #expect(try #require(all["e"] ?? nil).elementCount == 0)
    #expect(all["c"] == .some(nil))
  }

  /// Every 16-bit pattern, in a plain loop.
  @Test(arguments: [DType.f16, .bf16]) func nibblesAreReadAsTheyAre(_ dtype: DType) throws {
    let patterns = (0...UInt16.max).map { $0 }
    let one = try #require(
      try figures([TestTensor("w", dtype, [patterns.count], bytes: Self.bytes(patterns))])["w"] ?? nil)
    let values = patterns.map { pattern -> Double in
      if dtype == .bf16 { return Double(Float(bitPattern: UInt32(pattern) << 16)) }
      let exponent = Int(pattern >> 10 & 31)
      let mantissa = Double(pattern & 1023) / 1024
      let magnitude =
        exponent == 31
        ? (mantissa == 0 ? .infinity : .nan)
        : exponent == 0 ? mantissa * 0x1p-14 : Double(sign: .plus, exponent: exponent - 15, significand: 1 + mantissa)
      return pattern >> 15 == 0 ? magnitude : -magnitude
    }
    let finite = values.filter(\.isFinite)
    #expect(one.nanCount == values.count(where: \.isNaN))
    #expect(one.infinityCount == 2)
    #expect(one.zeroCount == 2)
    #expect((one.minimum, one.maximum) == (finite.min(), finite.max()))
    let root = (finite.reduce(0) { $0 + $1 * $1 } / Double(finite.count)).squareRoot()
    #expect(abs(try #require(one.rootMeanSquare) / root - 1) < 1e-12)
    #expect(abs(try #require(one.mean)) <= 1e-12 * root)
  }

  /// Blocks and what is left of them, finite and not, in every variant that the processor runs.
  @Test(arguments: [0, 1, 15, 16, 1023, 1024, 1025, 5000]) func variantsGiveTheSameBits(_ count: Int) throws {
    var generator = SeededGenerator()
    let words = (0..<count).map { _ in UInt32.random(in: 0 ... .max, using: &generator) }
    for (dtype, bits) in [
      (CTS_F16, 16), (CTS_BF16, 16), (CTS_F32, 32), (CTS_I16, 16), (CTS_U16, 16), (CTS_I32, 32), (CTS_U32, 32),
    ] {
      for mask: UInt32 in [.max, 0xBFFF_BFFF] {
        let masked = words.map { $0 & mask }
        let bytes = bits == 16 ? Self.bytes(masked.map { UInt16(truncatingIfNeeded: $0) }) : Self.bytes(masked)
        let plain = cts_scan_by(CTS_PORTABLE, dtype, bytes, count)
        for variant in CTS_PORTABLE.rawValue...cts_best_variant().rawValue {
          let fast = cts_scan_by(cts_variant(rawValue: variant), dtype, bytes, count)
          let comment: Comment = "variant \(variant), \(generator)"
          #expect(fast.sum.bitPattern == plain.sum.bitPattern, comment)
          #expect(fast.sum_squares.bitPattern == plain.sum_squares.bitPattern, comment)
          #expect((fast.minimum, fast.maximum) == (plain.minimum, plain.maximum), comment)
          #expect((fast.zeros, fast.nans, fast.infinities) == (plain.zeros, plain.nans, plain.infinities), comment)
          #expect(Int(fast.nans + fast.infinities + fast.zeros) <= count)
        }
      }
    }
  }

  @Test func integersAndBytes() throws {
    let all = try figures([
      TestTensor("i8", .i8, [3], bytes: [0xFF, 2, 0]), TestTensor("u8", .u8, [3], bytes: [0xFF, 2, 0]),
      TestTensor("i16", .i16, [2], bytes: Self.bytes([Int16(-5), 3])),
      TestTensor("u16", .u16, [2], bytes: Self.bytes([UInt16(65535), 1])),
      TestTensor("i32", .i32, [2], bytes: Self.bytes([Int32.min, 1])),
      TestTensor("u32", .u32, [2], bytes: Self.bytes([UInt32.max, 1])),
      TestTensor("i64", .i64, [2], bytes: Self.bytes([Int64(-7), 9])),
      TestTensor("u64", .u64, [2], bytes: Self.bytes([UInt64(1) << 63, 0])),
      TestTensor("f64", .f64, [2], bytes: Self.bytes([(0.5).bitPattern, (-4.0).bitPattern])),
      TestTensor("bool", .bool, [2], bytes: [1, 0]), TestTensor("f4", .f4, [2], bytes: [0xF1]),
      TestTensor("e8", .f8E8M0, [3], bytes: [127, 128, 255]),
      TestTensor("e4", .f8E4M3, [4], bytes: [0x7E, 0xFE, 0x7F, 0x01]),
      TestTensor("e5", .f8E5M2, [4], bytes: [0x7B, 0x7C, 0x7D, 0x81]),
      TestTensor("z4", .f8E4M3FNUZ, [2], bytes: [0x80, 0x7F]), TestTensor("z5", .f8E5M2FNUZ, [2], bytes: [0x80, 0x7F]),
    ])
    func range(_ name: String) -> [Double?] { [all[name]??.minimum, all[name]??.maximum] }
    #expect(range("i8") == [-1, 2] && range("u8") == [0, 255])
    #expect(range("i16") == [-5, 3] && range("u16") == [1, 65535])
    #expect(range("i32") == [-2_147_483_648, 1] && range("u32") == [1, 4_294_967_295])
    #expect(range("i64") == [-7, 9] && range("u64") == [0, 0x1p63])
    #expect(range("f64") == [-4, 0.5] && range("bool") == [0, 1])
    #expect(range("f4") == [-6, 0.5])
    #expect(range("e8") == [1, 2] && all["e8"]??.nanCount == 1)
    #expect(range("e4") == [-448, 448] && all["e4"]??.nanCount == 1)
    #expect(range("e5") == [-0x1p-16, 57344] && all["e5"]??.nanCount == 1 && all["e5"]??.infinityCount == 1)
    #expect(range("z4") == [240, 240] && all["z4"]??.nanCount == 1)
    #expect(range("z5") == [57344, 57344] && all["z5"]??.nanCount == 1)
  }

  /// More than one piece of 8 MiB.
  @Test func threadsDoNotChangeTheResult() throws {
    var generator = SeededGenerator()
    let count = (TensorScan.pieceByteCount * 5 / 2) / 4 + 3
    let values = (0..<count).map { _ in Float.random(in: -1...1, using: &generator) }
    let source = try source([TestTensor("w", .f32, [count], bytes: Self.bytes(values.map(\.bitPattern)))])
    let one = try TensorScan.figures([source], workers: 1) { _ in }
    let three = try TensorScan.figures([source], workers: 3) { _ in }
    #expect(one == three)
    let figures = try #require(one[0][0])
    #expect(figures.elementCount == count)
    #expect(figures.minimum == values.min().map(Double.init))
    let mean = values.reduce(0) { $0 + Double($1) } / Double(count)
    #expect(abs(try #require(figures.mean) - mean) < 1e-12, "\(generator)")
  }

  @Test func checksumsAreOfContents() throws {
    let first = try source([TestTensor("a", .u8, [3], bytes: [1, 2, 3]), TestTensor("b", .u8, [0])])
    let second = try source([TestTensor("other", .i8, [3], bytes: [1, 2, 3])], "b.safetensors")
    let sums = try TensorScan.checksums([first, second], workers: 2) { _ in }
    #expect(Set(sums[0].map(\.description)).contains(SHA256Checksum(of: [1, 2, 3]).description))
    #expect(sums[1] == [SHA256Checksum(of: [1, 2, 3])])
    #expect(sums[0].contains(SHA256Checksum(of: [])))
    let files = try TensorScan.fileChecksums([(first.path, first.header)], workers: 2) { _ in }
    #expect(files == [SHA256Checksum(of: try contents(first.path))])
  }

  @Test func aFileThatChangedIsAnError() throws {
    let source = try source([TestTensor("a", .u8, [3])])
    try writeFile(source.path, [TestTensor("a", .u8, [4])])
    let error = #expect(throws: FileError.self) { try TensorScan.figures([source], workers: 2) { _ in } }
    #expect(error?.errorClass == "changed")
  }
}
