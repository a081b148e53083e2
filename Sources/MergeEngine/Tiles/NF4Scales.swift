import MergePlanning

/// The scales of codes of half a byte, from the largest magnitudes in their blocks.
struct NF4Scales {
  /// What codes are multiplied by.
  let numbers: [Float]
  /// Codes of the scales themselves, and the scales of these; empty where they are not nested.
  let codes: [UInt8]
  let nested: [Float]

  /// - Parameter magnitudes: Of whole runs that share a nested scale.
  init(_ magnitudes: ArraySlice<Float>, _ nibbles: Requantization.NF4Layout) {
    guard let outer = nibbles.nested else {
      (numbers, codes, nested) = (Array(magnitudes), [], [])
      return
    }
    let found = DynamicCodebook.codes(magnitudes, about: outer.offset, block: outer.block)
    (numbers, codes, nested) = (found.numbers, found.codes, found.scales)
  }
}
