import CPlainArithmetic
import Inspection
import MergePlanning
import Safetensors

/// The scales of blocks of E4M3 codes by the rule of a `Requantization`, computed a second time from the largest magnitudes in the
/// blocks.
struct PlainScales {
  /// As a reader has them.
  let numbers: [Float]
  /// What a value is divided by, or multiplied by, to become a code.
  let operands: [Float]
  /// Whether it is divided.
  let divides: Bool

  init(largest: [Float], _ requantization: Requantization) {
    divides = requantization.rule != .reciprocal
    guard requantization.rule != .unscaled else {
      (numbers, operands) = (largest.map { _ in 1 }, largest.map { _ in 1 })
      return
    }
    let pairs = largest.map { magnitude in
      // What no scale of the dtype stands for is written as a block of zeros is.
      let pair = Self.pair(magnitude, requantization)
      return pair.number > 0 && (1 / pair.number).isFinite ? pair : Self.pair(0, requantization)
    }
    numbers = pairs.map(\.number)
    operands = pairs.map(\.operand)
  }

  private static func pair(_ magnitude: Float, _ requantization: Requantization) -> (number: Float, operand: Float) {
    let isReciprocal = requantization.rule == .reciprocal
    let factor = 1 / magnitude * 448
    var scale: Float = isReciprocal ? 1 / factor : magnitude / 448
    if !(magnitude > 0) { scale = 0 }
    if requantization.isPowerOfTwo, scale > 0 { scale = nextPower(scale) }
    let number = rounded(scale > 0 ? scale : 1, to: requantization.scaleDType)
    guard isReciprocal else { return (number, number) }
    let isExact = requantization.scaleDType == .f32 && !requantization.isPowerOfTwo
    return (number, isExact && magnitude > 0 ? factor : 1 / number)
  }

  /// The smallest power of two that is not below a number.
  private static func nextPower(_ value: Float) -> Float {
    let power = value.binade
    return power < value ? power * 2 : power
  }

  private static func rounded(_ value: Float, to dtype: DType) -> Float {
    guard let type = PlainArithmetic.type(dtype) else {
      // Exponents alone.
      return Float(sign: .plus, exponent: min(max(Int(value.exponent), -127), 128), significand: 1)
    }
    var bytes: [UInt8] = [0, 0, 0, 0]
    var number: [Float] = [0]
    PlainArithmetic.round([value], as: type, count: 1, into: &bytes)
    PlainArithmetic.widen(bytes, as: type, count: 1, into: &number)
    return number[0]
  }
}
