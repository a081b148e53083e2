/// Codes in words of 32 bits.
enum WordCodes {
  /// One code of a word of 32 bits, the first lowest, none of which lies in two bytes.
  static func code(_ words: [UInt8], word: Int, place: Int, bits: Int) -> UInt8 {
    words[word * 4 + place * bits / 8] >> UInt8(place * bits % 8) & UInt8(truncatingIfNeeded: 1 << bits - 1)
  }
}
