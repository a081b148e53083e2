import Platform
import Safetensors

/// Tensors of one element whose values decide what an adapter does: alphas, and the axes of IA3.
///
/// Read when the adapter is opened: a few bytes each.
struct FileScalars {
  private var values: [Int: Double] = [:]

  /// Numbers that lie this close to each other are read at once.
  private static let gap = 4096

  /// - Parameter indices: Where the tensors are in the header's table.
  /// - Throws: A tensor of more than one element, or whose dtype is not a number's.
  init(_ indices: [Int], _ header: SafetensorsHeader, path: String) throws(AdapterError) {
    guard !indices.isEmpty else { return }
    for index in indices {
      let tensor = header.tensors[index]
      guard tensor.elementCount == 1 else {
        throw AdapterError(path: path, .shape(expected: "(1) or ()", found: tensor.shape), tensor: tensor.name)
      }
    }
    do throws(FileError) {
      let file = try InputFile(path: path)
      guard file.identity == header.identity else { throw FileError(path: path, .changed) }
      for run in Self.runs(indices, header) {
        let bytes = try file.bytes(header.dataStart + run.bytes.lowerBound..<header.dataStart + run.bytes.upperBound)
        for index in run.tensors {
          let offsets = header.tensors.dataOffsets(at: index)
          let start = offsets.lowerBound - run.bytes.lowerBound
          values[index] = Self.number(Array(bytes[start..<start + offsets.count]), header.tensors.dtype(at: index))
        }
      }
    } catch { throw AdapterError(SafetensorsError(error)) }
    for index in indices where values[index] == nil {
      throw AdapterError(
        path: path, .scalarDType(header.tensors.dtype(at: index)), tensor: header.tensors.name(at: index))
    }
  }

  /// The value of a tensor that was read.
  subscript(index: Int) -> Double? { values[index] }

  private static func runs(
    _ indices: [Int], _ header: SafetensorsHeader
  ) -> [(bytes: Range<Int>, tensors: [Int])] {
    var runs: [(bytes: Range<Int>, tensors: [Int])] = []
    // The table is in the order of the data.
    for index in indices.sorted() {
      let offsets = header.tensors.dataOffsets(at: index)
      if let last = runs.last, offsets.lowerBound - last.bytes.upperBound <= gap {
        runs[runs.count - 1] = (last.bytes.lowerBound..<offsets.upperBound, last.tensors + [index])
      } else {
        runs.append((offsets, [index]))
      }
    }
    return runs
  }

  /// The number that these bytes are; nil: their dtype is not a number's.
  private static func number(_ bytes: [UInt8], _ dtype: DType) -> Double? {
    let bits = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    switch dtype {
    case .f64: return Double(bitPattern: bits)
    case .f32: return Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
    case .f16: return Double(FloatFormat.float(f16: UInt16(truncatingIfNeeded: bits)))
    case .bf16: return Double(FloatFormat.float(bf16: UInt16(truncatingIfNeeded: bits)))
    // The upper half of an F16.
    case .f8E5M2: return Double(FloatFormat.float(f16: UInt16(truncatingIfNeeded: bits) << 8))
    case .f8E4M3: return e4m3(UInt8(truncatingIfNeeded: bits))
    case .u8, .u16, .u32, .u64, .bool: return Double(bits)
    case .i8: return Double(Int8(truncatingIfNeeded: bits))
    case .i16: return Double(Int16(truncatingIfNeeded: bits))
    case .i32: return Double(Int32(truncatingIfNeeded: bits))
    case .i64: return Double(Int64(truncatingIfNeeded: bits))
    case .f4, .f6E2M3, .f6E3M2, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ, .c64: return nil
    }
  }

  /// The value of an F8_E4M3.
  private static func e4m3(_ bits: UInt8) -> Double {
    let (exponent, fraction) = (Int(bits >> 3 & 0xF), Double(bits & 7))
    if bits & 0x7F == 0x7F { return .nan }
    let magnitude =
      exponent == 0
      ? fraction * 0x1p-9 : (1 + fraction / 8) * Double(sign: .plus, exponent: exponent - 7, significand: 1)
    return bits & 0x80 == 0 ? magnitude : -magnitude
  }
}
