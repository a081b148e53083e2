import MergeEngine
import Safetensors
import TestSupport
import Testing

@testable import MergeChecking

/// BOFT with factors that become several products: the merge against double precision, and the check against the merge.
@Suite struct ButterflyMergeTests {
  static let rows = 3
  static let columns = 256

  /// Blocks of 4 in seven factors are products of six and of one, blocks of 64 in three those of two and of one; those of 2 in
  /// eight, which 256 columns are the least for, are of seven and of one.
  @Test(arguments: [(4, 7), (64, 3), (2, 8), (16, 1), (32, 3)], [DType.f32, .bf16])
  func isDoneAsInDoublePrecision(_ shape: (size: Int, count: Int), _ dtype: DType) throws {
    let (size, count) = shape
    var random = SeededGenerator(seed: 11)
    func floats(_ count: Int, _ range: ClosedRange<Float>) -> [Float] {
      (0..<count).map { _ in Float.random(in: range, using: &random) }
    }
    let weight = floats(Self.rows * Self.columns, -2...2)
    let rotations = floats(count * Self.columns * size, -0.3...0.3)
    let scales = floats(Self.rows, 0.5...2)
    let scratch = try Scratch()
    let base = scratch.file("base.safetensors")
    let bytes = weight.flatMap { Self.bytes($0).suffix(dtype.bitCount / 8) }
    try writeFile(base, [TestTensor("m.weight", dtype, [Self.rows, Self.columns], bytes: bytes)])
    let adapter = try scratch.folder("adapter")
    try write(
      Array(
        """
        {"peft_type": "BOFT", "boft_block_size": \(size), "boft_n_butterfly_factor": \(count)}
        """.utf8), to: adapter + "/adapter_config.json")
    try writeFile(
      adapter + "/adapter_model.safetensors",
      [
        TestTensor(
          "base_model.model.m.boft_R", .f32, [count, Self.columns / size, size, size],
          bytes: rotations.flatMap(Self.bytes)),
        TestTensor("base_model.model.m.boft_s", .f32, [Self.rows, 1], bytes: scales.flatMap(Self.bytes)),
      ])
    let output = scratch.file("merged.safetensors")
    try merge(base, [(adapter, 1)], to: output)
    let found = try #require(try readTensors(output).first).bytes
    let before = Self.numbers(bytes, dtype)
    let turned = (0..<Self.rows).flatMap { row in
      Self.turned(
        Array(before[row * Self.columns..<(row + 1) * Self.columns]), rotations.map(Double.init), size, count)
    }
    for (index, value) in Self.numbers(found, dtype).enumerated() {
      let exact = turned[index] * Double(scales[index / Self.columns])
      // The last rounding, and those of fp32 in sums of 256 numbers.
      #expect(abs(value - exact) <= abs(exact) * (dtype == .f32 ? 0x1p-24 : 0x1p-8) + 0x1p-18, "\(index)")
    }
    let report = try check(output, base, [(adapter, 1)]) { $0.hasPromisedBits = true }
    #expect(report.findings.isEmpty, "\(report.findings)")
  }

  /// A row times the transposed of each factor, whose blocks `(I - Q) (I + Q)^-1` make `2 z - x` of a part x, z being the
  /// solution of `(I + Q) z = x`.
  private static func turned(_ row: [Double], _ matrices: [Double], _ size: Int, _ count: Int) -> [Double] {
    var row = row
    for factor in 0..<count {
      for block in 0..<columns / size {
        let half = size / 2
        let (group, inside) = block.quotientAndRemainder(dividingBy: 1 << factor)
        let first = (group << (factor + 1) + inside) * half
        let places = (0..<size).map { $0 < half ? first + $0 : first + (half << factor) + $0 - half }
        let start = (factor * columns / size + block) * size * size
        var system = (0..<size).map { row in
          (0..<size).map { column in
            (matrices[start + row * size + column] - matrices[start + column * size + row]) / 2
              + (row == column ? 1 : 0)
          }
        }
        for (index, place) in places.enumerated() { system[index].append(row[place]) }
        for pivot in 0..<size {
          for other in 0..<size where other != pivot {
            let share = system[other][pivot] / system[pivot][pivot]
            for column in pivot...size { system[other][column] -= share * system[pivot][column] }
          }
        }
        for (index, place) in places.enumerated() {
          row[place] = 2 * system[index][size] / system[index][index] - row[place]
        }
      }
    }
    return row
  }

  private static func bytes(_ value: Float) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
  }

  /// Elements of BF16 are the upper halves of fp32.
  private static func numbers(_ bytes: [UInt8], _ dtype: DType) -> [Double] {
    let size = dtype.bitCount / 8
    return stride(from: 0, to: bytes.count, by: size).map { start in
      let bits = (0..<size).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * ($1 + 4 - size)) }
      return Double(Float(bitPattern: bits))
    }
  }
}
