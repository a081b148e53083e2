import ArgumentParser

/// A number of bytes: `64M`, `1.5GiB`, `4096`; K, M, G and T are powers of 1024, with or without `iB` or `B`.
struct SizeArgument: ExpressibleByArgument {
  let byteCount: Int

  init?(argument: String) {
    let number = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = argument.dropFirst(number.count).lowercased()
    let powers = ["": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40]
    guard let value = Double(number), let power = powers[unit] ?? powers[Self.short(unit)], value > 0 else {
      return nil
    }
    let bytes = value * Double(1 << power)
    guard bytes >= 1, bytes < 0x1p62 else { return nil }
    byteCount = Int(bytes)
  }

  /// `mib` and `mb` as `m`.
  private static func short(_ unit: String) -> String {
    unit.hasSuffix("ib") && unit.count == 3 || unit.hasSuffix("b") && unit.count == 2 ? String(unit.prefix(1)) : unit
  }
}
