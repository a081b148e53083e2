import CPlainArithmetic
import Safetensors

/// The C loops of CPlainArithmetic on runs of arrays; every range is checked here.
package enum PlainArithmetic {
  /// The C constant for a dtype with arithmetic; nil for others.
  package static func type(_ dtype: DType) -> spa_dtype? {
    switch dtype {
    case .f32: SPA_F32
    case .f16: SPA_F16
    case .bf16: SPA_BF16
    default: nil
    }
  }

  /// Bytes per element.
  package static func byteCount(_ type: spa_dtype) -> Int { type == SPA_F32 ? 4 : 2 }

  /// Widens the first `count` elements of `bytes` exactly to the first of `values`.
  package static func widen(_ bytes: [UInt8], as type: spa_dtype, count: Int, into values: inout [Float]) {
    precondition(bytes.count >= count * byteCount(type) && values.count >= count)
    unsafe bytes.withUnsafeBytes { source in
      unsafe values.withUnsafeMutableBufferPointer { destination in
        guard let source = source.baseAddress, let destination = destination.baseAddress else { return }
        unsafe spa_widen(type, source, count, destination)
      }
    }
  }

  /// Rounds the first `count` of `values` to nearest even, to the first elements of `bytes`.
  package static func round(_ values: [Float], as type: spa_dtype, count: Int, into bytes: inout [UInt8]) {
    precondition(bytes.count >= count * byteCount(type) && values.count >= count)
    unsafe values.withUnsafeBufferPointer { source in
      unsafe bytes.withUnsafeMutableBytes { destination in
        guard let source = source.baseAddress, let destination = destination.baseAddress else { return }
        unsafe spa_round(type, source, count, destination)
      }
    }
  }

  /// `delta[place ..< place + columns] += scale * (left row . right)`, in fp32 and in fp64.
  ///
  /// - Parameters:
  ///   - row: The row of `left`, which has `rank` columns; `right` is rank x columns.
  ///   - narrow, wide: Scratch of at least `columns` elements.
  package static func addProduct(
    left: [Float], row: Int, right: [Float], rank: Int, columns: Int, scale: Float, to delta: inout [Float],
    _ exact: inout [Double], at place: Int, _ narrow: inout [Float], _ wide: inout [Double]
  ) {
    precondition(left.count >= (row + 1) * rank && right.count >= rank * columns && narrow.count >= columns)
    precondition(wide.count >= columns && delta.count >= place + columns && exact.count >= place + columns)
    unsafe left.withUnsafeBufferPointer { left in
      unsafe right.withUnsafeBufferPointer { right in
        unsafe narrow.withUnsafeMutableBufferPointer { narrow in
          unsafe wide.withUnsafeMutableBufferPointer { wide in
            unsafe delta.withUnsafeMutableBufferPointer { delta in
              unsafe exact.withUnsafeMutableBufferPointer { exact in
                guard let left = left.baseAddress, let right = right.baseAddress, let narrow = narrow.baseAddress,
                  let wide = wide.baseAddress, let delta = delta.baseAddress, let exact = exact.baseAddress
                else { return }
                unsafe spa_product_f32(left + row * rank, right, rank, columns, narrow)
                unsafe spa_add_scaled_f32(delta + place, narrow, columns, scale)
                unsafe spa_product_f64(left + row * rank, right, rank, columns, wide)
                unsafe spa_add_scaled_f64(exact + place, wide, columns, Double(scale))
              }
            }
          }
        }
      }
    }
  }

  /// `sums[place ..< place + columns] += |scale| * (|left row| . |right|)`.
  package static func addSpreads(
    left: [Float], row: Int, right: [Float], rank: Int, columns: Int, scale: Float, to sums: inout [Double],
    at place: Int, _ wide: inout [Double]
  ) {
    precondition(left.count >= (row + 1) * rank && right.count >= rank * columns)
    precondition(wide.count >= columns && sums.count >= place + columns)
    unsafe left.withUnsafeBufferPointer { left in
      unsafe right.withUnsafeBufferPointer { right in
        unsafe wide.withUnsafeMutableBufferPointer { wide in
          unsafe sums.withUnsafeMutableBufferPointer { sums in
            guard let left = left.baseAddress, let right = right.baseAddress, let wide = wide.baseAddress,
              let sums = sums.baseAddress
            else { return }
            unsafe spa_spreads(left + row * rank, right, rank, columns, wide)
            unsafe spa_add_scaled_f64(sums + place, wide, columns, Double(scale.magnitude))
          }
        }
      }
    }
  }

  /// Sets the first `count` of `values` and `exact` to those of `weights`, and of `scales` to their magnitudes.
  package static func start(
    _ weights: [Float], count: Int, _ values: inout [Float], _ exact: inout [Double], _ scales: inout [Double]
  ) {
    precondition(weights.count >= count && values.count >= count && exact.count >= count && scales.count >= count)
    unsafe weights.withUnsafeBufferPointer { weights in
      unsafe values.withUnsafeMutableBufferPointer { values in
        unsafe exact.withUnsafeMutableBufferPointer { exact in
          unsafe scales.withUnsafeMutableBufferPointer { scales in
            guard let weights = weights.baseAddress, let values = values.baseAddress, let exact = exact.baseAddress,
              let scales = scales.baseAddress
            else { return }
            unsafe spa_start(weights, count, values, exact, scales)
          }
        }
      }
    }
  }

  /// Sets the first `count` of both to -0, the identity of addition in fp32.
  package static func clear(_ delta: inout [Float], _ exactDelta: inout [Double], count: Int) {
    precondition(delta.count >= count && exactDelta.count >= count)
    unsafe delta.withUnsafeMutableBufferPointer { delta in
      unsafe exactDelta.withUnsafeMutableBufferPointer { exactDelta in
        guard let delta = delta.baseAddress, let exactDelta = exactDelta.baseAddress else { return }
        unsafe spa_clear(delta, exactDelta, count)
      }
    }
  }

  /// Adds the first `count` deltas to the values, in fp32 and in fp64, and their magnitudes to the scales.
  package static func accumulate(
    _ values: inout [Float], _ exact: inout [Double], _ scales: inout [Double], _ delta: [Float],
    _ exactDelta: [Double], count: Int
  ) {
    precondition(values.count >= count && exact.count >= count && scales.count >= count)
    precondition(delta.count >= count && exactDelta.count >= count)
    unsafe values.withUnsafeMutableBufferPointer { values in
      unsafe exact.withUnsafeMutableBufferPointer { exact in
        unsafe scales.withUnsafeMutableBufferPointer { scales in
          unsafe delta.withUnsafeBufferPointer { delta in
            unsafe exactDelta.withUnsafeBufferPointer { exactDelta in
              guard let values = values.baseAddress, let exact = exact.baseAddress, let scales = scales.baseAddress,
                let delta = delta.baseAddress, let exactDelta = exactDelta.baseAddress
              else { return }
              unsafe spa_accumulate(values, exact, scales, delta, exactDelta, count)
            }
          }
        }
      }
    }
  }

  /// Replaces each NaN by the weight's NaN, made quiet, or by the default quiet NaN if the weight is not NaN.
  package static func settleNaNs(_ weights: [Float], _ values: inout [Float], count: Int) {
    precondition(weights.count >= count && values.count >= count)
    unsafe weights.withUnsafeBufferPointer { weights in
      unsafe values.withUnsafeMutableBufferPointer { values in
        guard let weights = weights.baseAddress, let values = values.baseAddress else { return }
        unsafe spa_settle_nans(weights, values, count)
      }
    }
  }

  /// The fp32 norm of a run of values, as a merge with DoRA computes it along rows.
  package static func norm(_ values: [Float], _ range: Range<Int>) -> Float {
    precondition(range.upperBound <= values.count)
    return unsafe values.withUnsafeBufferPointer { values in
      guard let values = values.baseAddress else { return 0 }
      return unsafe spa_norm_in_lanes(values + range.lowerBound, range.count)
    }
  }

  /// Compares a run of elements; see `spa_compare`.
  ///
  /// - Parameter place: The first element in all arrays except `flags`, which is used from its start.
  package static func compare(
    _ found: [UInt8], with exact: [Double], scales: [Double], _ expected: [UInt8], as type: spa_dtype, at place: Int,
    count: Int, flags: inout [UInt8]
  ) -> spa_comparison {
    let end = (place + count) * byteCount(type)
    precondition(found.count >= end && expected.count >= end && exact.count >= place + count && flags.count >= count)
    precondition(scales.count >= place + count)
    return unsafe found.withUnsafeBytes { found in
      unsafe expected.withUnsafeBytes { expected in
        unsafe exact.withUnsafeBufferPointer { exact in
          unsafe scales.withUnsafeBufferPointer { scales in
            unsafe flags.withUnsafeMutableBufferPointer { flags in
              guard let found = found.baseAddress, let expected = expected.baseAddress, let exact = exact.baseAddress,
                let scales = scales.baseAddress, let flags = flags.baseAddress
              else { return spa_comparison() }
              let start = place * byteCount(type)
              return unsafe spa_compare(
                type, found + start, exact + place, scales + place, expected + start, count, flags)
            }
          }
        }
      }
    }
  }

  /// The spacing of a dtype's numbers at a value.
  package static func spacing(_ type: spa_dtype, at value: Double) -> Double { spa_spacing(type, value) }

  /// How many of the first `count` elements are NaN and infinite.
  static func nonFinite(_ bytes: [UInt8], as type: spa_dtype, count: Int) -> (nans: Int, infinities: Int) {
    precondition(bytes.count >= count * byteCount(type))
    var (nans, infinities): (UInt64, UInt64) = (0, 0)
    unsafe bytes.withUnsafeBytes { source in
      guard let source = source.baseAddress else { return }
      unsafe spa_count_nonfinite(type, source, count, &nans, &infinities)
    }
    return (Int(nans), Int(infinities))
  }

  /// The difference of the first `count` elements of two arrays; see `spa_difference_of`.
  static func difference(
    _ left: [UInt8], _ leftType: spa_dtype, _ right: [UInt8], _ rightType: spa_dtype, count: Int
  ) -> spa_difference {
    precondition(left.count >= count * byteCount(leftType) && right.count >= count * byteCount(rightType))
    return unsafe left.withUnsafeBytes { left in
      unsafe right.withUnsafeBytes { right in
        guard let left = left.baseAddress, let right = right.baseAddress else { return spa_difference() }
        return unsafe spa_difference_of(leftType, left, rightType, right, count)
      }
    }
  }

  /// Whether the first `count` bytes are the same.
  package static func areEqual(_ left: [UInt8], _ right: [UInt8], count: Int) -> Bool {
    precondition(left.count >= count && right.count >= count)
    return unsafe left.withUnsafeBytes { left in
      unsafe right.withUnsafeBytes { right in
        guard let left = left.baseAddress, let right = right.baseAddress else { return true }
        return unsafe spa_are_equal(left, right, count) != 0
      }
    }
  }
}
