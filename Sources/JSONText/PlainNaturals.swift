/// Arrays of integers that are not negative, as nearly every writer spells them, read without a parser's tree.
package struct PlainNaturals {
  /// Ten to this power is less than Int64 holds, so that nothing can overflow.
  private static let largestDigitCount = 18

  private var position: Int
  private let end: Int

  /// Passes each number of the array in `range` to `body`.
  ///
  /// Only a subset of JSON is read, with the same result as ``JSONTree/naturals(_:range:)``: numbers of at most 18
  /// digits without signs, fractions, exponents and leading zeros, white space around them.
  ///
  /// - Returns: False for every other text, valid or not; `body` may then have been called for a part of it.
  package static func read(_ text: Span<UInt8>, _ range: Range<Int>, _ body: (UInt64) -> Void) -> Bool {
    var reader = PlainNaturals(position: range.lowerBound, end: range.upperBound)
    guard reader.passes(UInt8(ascii: "["), text) else { return false }
    if reader.passes(UInt8(ascii: "]"), text) { return reader.position == reader.end }
    repeat {
      guard let number = reader.number(text) else { return false }
      body(number)
    } while reader.passes(UInt8(ascii: ","), text)
    return reader.passes(UInt8(ascii: "]"), text) && reader.position == reader.end
  }

  private mutating func number(_ text: Span<UInt8>) -> UInt64? {
    let first = position
    var number: UInt64 = 0
    while position < end {
      let digit = text[position] &- UInt8(ascii: "0")
      guard digit <= 9 else { break }
      number = number &* 10 &+ UInt64(digit)
      position += 1
    }
    let digitCount = position - first
    guard 1...Self.largestDigitCount ~= digitCount, digitCount == 1 || text[first] != UInt8(ascii: "0") else {
      return nil
    }
    skipWhiteSpace(text)
    return number
  }

  /// Skips the byte and the white space after it, if it is the next byte.
  private mutating func passes(_ byte: UInt8, _ text: Span<UInt8>) -> Bool {
    guard position < end, text[position] == byte else { return false }
    position += 1
    skipWhiteSpace(text)
    return true
  }

  private mutating func skipWhiteSpace(_ text: Span<UInt8>) {
    while position < end {
      switch text[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return
      }
    }
  }
}
