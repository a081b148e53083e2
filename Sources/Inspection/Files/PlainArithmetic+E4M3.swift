import CPlainArithmetic

/// Codes of E4M3: their values, and the comparison with what they are to be.
extension PlainArithmetic {
  /// The value of a code; NaN for its two NaNs.
  package static func e4m3Value(_ code: UInt8) -> Double { spa_e4m3_value(code) }

  /// The spacing of E4M3's numbers at a value.
  package static func e4m3Spacing(at value: Double) -> Double { spa_e4m3_spacing(value) }

  /// The largest magnitude of the finite values, or 0 without a finite value.
  package static func largestFinite(_ values: [Float], _ range: Range<Int>) -> Float {
    precondition(range.lowerBound >= 0 && range.upperBound <= values.count)
    return unsafe values.withUnsafeBufferPointer { values in
      guard let values = values.baseAddress else { return 0 }
      return unsafe spa_largest_finite(values + range.lowerBound, range.count)
    }
  }

  /// Rounds some values, divided by a scale or multiplied by a factor, to codes at the same places.
  package static func encodeE4M3(
    _ values: [Float], _ range: Range<Int>, scale: Float, divides: Bool, into codes: inout [UInt8]
  ) {
    precondition(range.lowerBound >= 0 && range.upperBound <= min(values.count, codes.count))
    unsafe values.withUnsafeBufferPointer { values in
      unsafe codes.withUnsafeMutableBufferPointer { codes in
        guard let values = values.baseAddress, let codes = codes.baseAddress else { return }
        unsafe spa_encode_e4m3(
          values + range.lowerBound, range.count, scale, divides ? 1 : 0, codes + range.lowerBound)
      }
    }
  }

  /// Compares a run of codes; see `spa_compare_e4m3`.
  ///
  /// - Parameters:
  ///   - scale: What the codes of the result are multiplied by.
  ///   - range: The places in all arrays.
  package static func compareE4M3(
    _ found: [UInt8], with exact: [Double], scale: Double, _ expected: [UInt8], _ range: Range<Int>,
    flags: inout [UInt8]
  ) -> spa_comparison {
    precondition(range.lowerBound >= 0 && range.upperBound <= min(found.count, exact.count))
    precondition(range.upperBound <= min(expected.count, flags.count))
    return unsafe found.withUnsafeBufferPointer { found in
      unsafe exact.withUnsafeBufferPointer { exact in
        unsafe expected.withUnsafeBufferPointer { expected in
          unsafe flags.withUnsafeMutableBufferPointer { flags in
            guard let found = found.baseAddress, let exact = exact.baseAddress, let expected = expected.baseAddress,
              let flags = flags.baseAddress
            else { return spa_comparison() }
            let first = range.lowerBound
            return unsafe spa_compare_e4m3(
              found + first, exact + first, scale, expected + first, range.count, flags + first)
          }
        }
      }
    }
  }
}
