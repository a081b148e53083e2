import ArgumentParser

/// The largest size of a weight file: `5GB`, `500MB`, `1.5GiB`, `4096`; KB, MB, GB and TB are powers of 1000, as in
/// transformers and huggingface_hub, also without the B; KiB, MiB, GiB and TiB are powers of 1024.
struct FileSizeArgument: ExpressibleByArgument {
  let byteCount: Int

  init?(argument: String) {
    let number = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = argument.dropFirst(number.count).lowercased()
    guard let value = Double(number), value > 0, let factor = Self.factor(unit) else { return nil }
    let bytes = value * factor
    guard bytes >= 1, bytes < 0x1p62 else { return nil }
    byteCount = Int(bytes)
  }

  private static func factor(_ unit: String) -> Double? {
    if ["", "b"].contains(unit) { return 1 }
    guard let letter = unit.first, let power = ["k", "m", "g", "t"].firstIndex(of: letter) else { return nil }
    let base: Double
    switch unit.dropFirst() {
    case "", "b": base = 1000
    case "ib": base = 1024
    default: return nil
    }
    return (0..<power).reduce(base) { product, _ in product * base }
  }
}
