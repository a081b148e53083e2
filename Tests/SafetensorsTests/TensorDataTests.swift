import TestSupport
import Testing

@testable import Safetensors

@Suite struct TensorDataTests {
  /// Every F16 and every BF16 is read exactly, and written back as it was; a NaN as a quiet one.
  @Test func sixteenBitsAreReadAndWrittenExactly() {
    for bits in UInt16.min ... .max {
      let half = FloatFormat.float(f16: bits)
      let isNaN = bits & 0x7FFF > 0x7C00
      #expect(half.isNaN == isNaN)
      if FloatFormat.f16(half) != (isNaN ? bits | 0x200 : bits) { Issue.record("F16 \(bits)") }
      let brain = FloatFormat.float(bf16: bits)
      if FloatFormat.bf16(brain) != (brain.isNaN ? bits | 0x40 : bits) { Issue.record("BF16 \(bits)") }
    }
    #expect(FloatFormat.float(f16: 0x3C00) == 1 && FloatFormat.float(f16: 0xC000) == -2)
    #expect(FloatFormat.float(f16: 1) == 0x1p-24 && FloatFormat.float(f16: 0x7BFF) == 65504)
    #expect(FloatFormat.float(bf16: 0x3F80) == 1)
  }

  /// Between two neighbors: the nearer one, at the middle the even one.
  @Test func roundingIsToTheNearest() {
    for bits in UInt16(0)..<0x7BFF {
      let (low, high) = (FloatFormat.float(f16: bits), FloatFormat.float(f16: bits + 1))
      let middle = (low + high) / 2
      let even = bits & 1 == 0 ? bits : bits + 1
      let found = [middle, middle.nextDown, middle.nextUp, -middle].map(FloatFormat.f16)
      if found != [even, bits, bits + 1, even | 0x8000] { Issue.record("\(bits): \(found)") }
    }
    #expect(FloatFormat.f16(65519.996) == 0x7BFF && FloatFormat.f16(65520) == 0x7C00)
    #expect(FloatFormat.f16(-.infinity) == 0xFC00 && FloatFormat.f16(0x1p-25) == 0 && FloatFormat.f16(-0.0) == 0x8000)
    for bits in stride(from: UInt32(0), to: 0x7F7F_0000, by: 0x10000) {
      let middle = Float(bitPattern: bits + 0x8000)
      let (low, high) = (UInt16(bits >> 16), UInt16(bits >> 16) + 1)
      let even = low & 1 == 0 ? low : high
      let found = [middle, middle.nextDown, middle.nextUp].map(FloatFormat.bf16)
      if found != [even, low, high] { Issue.record("\(bits): \(found)") }
    }
    #expect(FloatFormat.bf16(.greatestFiniteMagnitude) == 0x7F80)
  }

  @Test func dtypesAreReadAsFloats() throws {
    let scratch = try Scratch()
    let path = scratch.file("f.safetensors")
    let double = TensorData("d", .f64, shape: [2], bytes: [0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0, 0, 0, 0, 0, 0, 4, 0xC0])
    let integers = TensorData("i", .i8, shape: [1], bytes: [7])
    try SafetensorsWriter.write(
      path: path,
      [
        try TensorData("a", [1.5, -2], as: .f32), try TensorData("b", [1.5, -2], as: .f16),
        try TensorData("c", [1.5, -2], shape: [1, 2], as: .bf16), double, integers, try TensorData("e", []),
        try TensorData("s", [3], shape: []),
      ])
    let file = try SafetensorsFile(path: path)
    for name in ["a", "b", "c"] { #expect(try file.floats(TensorName(name)) == [1.5, -2]) }
    #expect(try file.floats("d") == [1, -2.5] && file.floats("e") == [] && file.floats("s") == [3])
    #expect(try file.data("d") == double && file.data("i") == integers)
    let dtype = #expect(throws: SafetensorsError.self) { try file.floats("i") }
    #expect(dtype?.problem == .notFloats(.i8) && dtype?.path == path && dtype?.tensorName == "i")
    #expect(throws: SafetensorsError.self) { try file.floats("none") }
    #expect(throws: SafetensorsError.self) { try file.data("none") }
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let scratch = try Scratch()
    let path = scratch.file("f.safetensors")
    #expect(throws: SafetensorsError.self) { try TensorData("a", [1, 2, 3], shape: [2, 2]) }
    #expect(throws: SafetensorsError.self) { try TensorData("a", [1], shape: [-1]) }
    #expect(throws: SafetensorsError.self) { try TensorData("a", [1], as: .i32) }
    let short = TensorData("a", .f32, shape: [2], bytes: [0])
    #expect(throws: SafetensorsError.self) { try SafetensorsWriter.write(path: path, [short]) }
    let negative = TensorData("a", .f32, shape: [-2], bytes: [])
    #expect(throws: SafetensorsError.self) { try SafetensorsWriter.write(path: path, [negative]) }
    let one = try TensorData("a", [1])
    #expect(throws: SafetensorsError.self) { try SafetensorsWriter.write(path: path, [one, one]) }
    #expect(try scratch.entries() == [])
  }
}
