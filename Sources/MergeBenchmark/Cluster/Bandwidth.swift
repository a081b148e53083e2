import ArgumentParser

/// Bytes in a second, as typed: `3GB`, `500MiB`, `1e9`.
struct Bandwidth: ExpressibleByArgument, Equatable {
  /// At least 1.
  let bytesPerSecond: Double

  /// Units of a thousand, and with an `i` of 1024.
  private static let units: [Character: Int] = ["K": 1, "M": 2, "G": 3, "T": 4]

  /// Nil for anything but a positive number with a unit or none.
  init?(argument: String) {
    var text = argument[...]
    if text.hasSuffix("/s") { text = text.dropLast(2) }
    if text.last == "B" { text = text.dropLast() }
    let isBinary = text.last == "i"
    if isBinary { text = text.dropLast() }
    var factor = 1.0
    if let last = text.last, let power = Self.units[last] {
      text = text.dropLast()
      for _ in 0..<power { factor *= isBinary ? 1024 : 1000 }
    } else if isBinary {
      return nil
    }
    guard let number = Double(text), number.isFinite, number * factor >= 1 else { return nil }
    bytesPerSecond = number * factor
  }
}
