import Platform
import Safetensors

/// Reads whole files and tensors.
enum FileReading {
  private static let pieceByteCount = 4 << 20

  /// Whether two files have the same bytes. If both paths lead to one file, it is not read.
  static func areEqual(_ one: String, _ other: String) throws(FileError) -> Bool {
    let (left, right) = (try InputFile(path: one), try InputFile(path: other))
    guard left.byteCount == right.byteCount else { return false }
    if left.identity == right.identity { return true }
    var (first, second): ([UInt8], [UInt8]) = ([], [])
    for start in stride(from: 0, to: left.byteCount, by: pieceByteCount) {
      let range = start..<min(start + pieceByteCount, left.byteCount)
      try left.read(range, into: &first)
      try right.read(range, into: &second)
      guard PlainArithmetic.areEqual(first, second, count: range.count) else { return false }
    }
    return true
  }

  /// A summary of a tensor's elements.
  struct Elements: Sendable {
    var nans = 0
    var infinities = 0
    /// Whether all elements are 0, of either sign.
    var areZero: Bool
  }

  /// How many elements of an F32, F16 or BF16 tensor are NaN or infinite (0 for other types), and whether all elements
  /// are 0.
  ///
  /// - Parameters:
  ///   - isCounted: Whether the elements are numbers; else they are codes, which cannot be NaN or infinite.
  ///   - zeros: A mask of the bits of each byte that are not a sign, such as `0x7F` if the sign is the highest bit; nil
  ///     to skip the search for zeros.
  static func elements(
    _ file: InputFile, _ range: Range<Int>, _ dtype: DType, isCounted: Bool, zeros: UInt64?
  ) throws(FileError) -> Elements {
    var buffer: [UInt8] = []
    var found = Elements(areZero: zeros != nil)
    guard isCounted || zeros != nil else { return found }
    for start in stride(from: range.lowerBound, to: range.upperBound, by: pieceByteCount) {
      let count = min(pieceByteCount, range.upperBound - start)
      try file.read(start..<start + count, into: &buffer)
      if found.areZero, let zeros { found.areZero = Self.areZero(buffer, count: count, zeros) }
      if !isCounted, !found.areZero { break }
      guard isCounted, let type = PlainArithmetic.type(dtype) else { continue }
      let piece = PlainArithmetic.nonFinite(buffer, as: type, count: count / PlainArithmetic.byteCount(type))
      found.nans += piece.nans
      found.infinities += piece.infinities
    }
    return found
  }

  /// Whether none of the first bytes has a bit of `mask`, which repeats every eight bytes.
  private static func areZero(_ bytes: [UInt8], count: Int, _ mask: UInt64) -> Bool {
    for index in 0..<count where UInt64(bytes[index]) & (mask >> UInt64(index % 8 * 8)) & 0xFF != 0 { return false }
    return true
  }
}
