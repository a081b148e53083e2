import Adapters
import MergePlanning
import Safetensors

/// Makes fp32 of factors that the kernels do not read: of other dtypes, or with zeros between their columns.
///
/// F64 is rounded to nearest, as PyTorch does when it loads such a factor; FP8 is exact. Integers are places in a tensor, below
/// 2^24 and so exact.
struct FactorDecoder {
  private enum Encoding {
    case kernels(DType)
    case f64
    case codes([Float])
    case integers
  }

  private let encoding: Encoding
  let byteCount: Int

  /// Nil: the kernels read the matrix as it is stored.
  init?(_ view: FactorView) {
    switch view.source.dtype {
    case .f64: encoding = .f64
    case .i64, .i32, .i16, .u8: encoding = .integers
    case .f8E4M3: encoding = .codes(Codebooks.e4m3)
    case .f8E5M2: encoding = .codes(Codebooks.e5m2)
    case .f32, .f16, .bf16:
      if view.spread.isEmpty { return nil }
      encoding = .kernels(view.source.dtype)
    default: return nil
    }
    byteCount = view.source.dtype.bitCount / 8
  }

  /// The rows of what is stored that some rows of the matrix have.
  func storedRows(_ rows: Range<Int>, of view: FactorView) -> Range<Int> {
    let turn = view.spread.rows
    func first(_ row: Int) -> Int { (row - turn.offset + turn.count - 1) / turn.count }
    return max(0, first(rows.lowerBound))..<max(0, first(rows.upperBound))
  }

  /// Writes rows of the matrix, row after row, as the bytes of fp32.
  func decode(
    _ raw: [UInt8], _ runs: StridedReads, stored: Range<Int>, of view: FactorView, rows: Range<Int>,
    into buffer: inout [UInt8]
  ) {
    let (across, down) = (view.spread.columns, view.spread.rows)
    let columns = view.columns / across.count
    buffer.grow(to: rows.count * view.columns * 4, filler: 0)
    for index in 0..<rows.count * view.columns * 4 { buffer[index] = 0 }
    for row in stored {
      let target = (row * down.count + down.offset - rows.lowerBound) * view.columns
      let source = (row - stored.lowerBound) * runs.rowStride
      for column in 0..<columns {
        let bits = value(raw, source + column * runs.columnStride).bitPattern
        let place = (target + column * across.count + across.offset) * 4
        for byte in 0..<4 { buffer[place + byte] = UInt8(truncatingIfNeeded: bits >> (8 * byte)) }
      }
    }
  }

  /// Integers as they are stored, one after the other; whole numbers of fp32 count as such, and others as -1.
  static func integers(_ raw: [UInt8], _ dtype: DType, count: Int) -> [Int] {
    let size = dtype.bitCount / 8
    return (0..<count).map { index in
      let bits = (0..<size).reduce(0) { $0 | UInt64(raw[index * size + $1]) << (8 * $1) }
      if dtype == .f32 { return Int(exactly: Float(bitPattern: UInt32(bits))) ?? -1 }
      if size == 1 { return Int(bits) }
      return Int(Int64(bitPattern: bits << UInt64(64 - 8 * size)) >> (64 - 8 * size))
    }
  }

  private func value(_ raw: [UInt8], _ index: Int) -> Float {
    func bits(_ count: Int) -> UInt64 {
      (0..<count).reduce(0) { $0 | UInt64(raw[index * count + $1]) << (8 * $1) }
    }
    switch encoding {
    case .f64: return Float(Double(bitPattern: bits(8)))
    case .integers:
      // The sign of the widest stays, so that a negative place is one.
      return byteCount == 1
        ? Float(raw[index])
        : Float(Int64(bitPattern: bits(byteCount) << UInt64(64 - 8 * byteCount)) >> (64 - 8 * byteCount))
    case .codes(let table): return table[Int(raw[index])]
    case .kernels(.f32): return Float(bitPattern: UInt32(bits(4)))
    case .kernels(.bf16): return Float(bitPattern: UInt32(bits(2)) << 16)
    case .kernels: return Float(Float16(bitPattern: UInt16(bits(2))))
    }
  }
}
