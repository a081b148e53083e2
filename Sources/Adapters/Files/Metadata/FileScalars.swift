import Platform
import Safetensors

/// Tensors of a few elements whose values decide what an adapter does: alphas, the axes of IA3, and shapes.
///
/// Read when the adapter is opened: a few bytes each.
struct FileScalars {
  private var values: [Int: [Double]] = [:]

  /// Numbers that lie this close to each other are read at once.
  private static let gap = 4096

  /// The most dimensions of a weight.
  private static let longestList = 8

  /// - Parameters:
  ///   - scalars: Where tensors of one element are in the header's table.
  ///   - lists: Where tensors are that list dimensions.
  /// - Throws: A tensor of more elements, or whose dtype is not a number's.
  init(_ scalars: [Int], lists: [Int] = [], _ header: SafetensorsHeader, path: String) throws(AdapterError) {
    let indices = scalars + lists
    guard !indices.isEmpty else { return }
    for index in scalars {
      let tensor = header.tensors[index]
      guard tensor.elementCount == 1 else {
        throw AdapterError(path: path, .shape(expected: "(1) or ()", found: tensor.shape), tensor: tensor.name)
      }
    }
    for index in lists {
      let tensor = header.tensors[index]
      guard tensor.shape.count == 1, 1...Self.longestList ~= tensor.elementCount else {
        throw AdapterError(
          path: path, .shape(expected: "(2), ..., (\(Self.longestList))", found: tensor.shape), tensor: tensor.name)
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
          values[index] = Self.numbers(
            bytes[start..<start + offsets.count], header.tensors.dtype(at: index),
            count: header.tensors[index].elementCount)
        }
      }
    } catch { throw AdapterError(SafetensorsError(error)) }
    for index in indices where values[index] == nil {
      throw AdapterError(
        path: path, .scalarDType(header.tensors.dtype(at: index)), tensor: header.tensors.name(at: index))
    }
  }

  /// The value of a tensor of one element that was read.
  subscript(index: Int) -> Double? { values[index]?.first }

  /// The values of a tensor of whole numbers that was read; nil: they are none.
  func whole(at index: Int) -> [Int]? {
    let found = (values[index] ?? []).map { Int(exactly: $0) ?? -1 }
    return found.isEmpty || found.contains { $0 < 1 } ? nil : found
  }

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

  /// The numbers of a tensor; nil: their dtype is not a number's.
  private static func numbers(_ bytes: ArraySlice<UInt8>, _ dtype: DType, count: Int) -> [Double]? {
    let size = bytes.count / max(1, count)
    var found: [Double] = []
    for element in 0..<count {
      let first = bytes.startIndex + element * size
      guard let number = number(Array(bytes[first..<first + size]), dtype) else { return nil }
      found.append(number)
    }
    return found
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
