/// Numbers formatted for people, the same in every locale.
package enum NumberText {
  /// Bytes in binary units with one decimal: `15.0 GiB`.
  package static func bytes(_ count: Int) -> String {
    if count < 1024 { return "\(count) B" }
    var tenths = count
    var unit = 0
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    // Tenths of the unit, rounded to nearest, in integers: no double, no locale.
    var divisor = 1024
    while unit + 1 < units.count, count / divisor >= 1024 {
      divisor *= 1024
      unit += 1
    }
    // The product would overflow for exbibytes; their last ten bits do not matter.
    let shift = unit == 5 ? 10 : 0
    tenths = count / divisor * 10 + (((count % divisor) >> shift) * 10 + (divisor >> (shift + 1))) / (divisor >> shift)
    if tenths >= 10240, unit + 1 < units.count {
      tenths = 10
      unit += 1
    }
    return "\(tenths / 10).\(tenths % 10) \(units[unit])"
  }

  /// Bytes done of a total, in the unit of the total: `5.2 of 15.0 GiB`.
  package static func bytes(_ count: Int, of total: Int) -> String {
    let text = bytes(total)
    guard count != total, let unit = text.split(separator: " ").last else { return "\(number(of: text)) of \(text)" }
    let place = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].firstIndex(of: unit) ?? 0
    guard place > 0 else { return "\(count) of \(text)" }
    // A part of a second in which the figure is 0.1 too small does not matter, one in which it is the total's would.
    let tenths = Int(Double(count) / Double(1 << (10 * place)) * 10)
    return "\(tenths / 10).\(tenths % 10) of \(text)"
  }

  private static func number(of text: String) -> Substring { text.prefix { $0 != " " } }

  /// Digits in groups of three: `8,030,261,248`.
  package static func grouped(_ count: Int) -> String {
    let digits = String(count)
    var result = ""
    for (position, digit) in digits.enumerated() {
      if position > 0, (digits.count - position) % 3 == 0, digit != "-", result != "-" { result.append(",") }
      result.append(digit)
    }
    return result
  }

  /// `1 row`, `32,064 rows`.
  package static func counted(_ count: Int, _ noun: String) -> String {
    "\(grouped(count)) \(noun)\(count == 1 ? "" : "s")"
  }

  /// A number, with a fraction only if it has one: `2`, `0.5`.
  package static func number(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
  }

  /// Four digits: `0.02001`, `-1.5`, `3.403e+38`.
  package static func short(_ value: Double) -> String {
    guard value.isFinite, value != 0 else { return value == 0 ? "0" : "\(value)" }
    let decimal = DecimalDigits(abs(value), count: 4)
    let exponent = decimal.exponent
    let sign = value < 0 ? "-" : ""
    let text = String(decimal.digits)
    guard (-4...5).contains(exponent) else {
      let fraction = trimmed(String(text.dropFirst()))
      let scale = "\(exponent < 0 ? "-" : "+")\(abs(exponent) < 10 ? "0" : "")\(abs(exponent))"
      return "\(sign)\(text.prefix(1))\(fraction.isEmpty ? "" : ".\(fraction)")e\(scale)"
    }
    if exponent < 0 { return "\(sign)0.\(String(repeating: "0", count: -exponent - 1))\(trimmed(text))" }
    if exponent >= 3 { return "\(sign)\(text)\(String(repeating: "0", count: exponent - 3))" }
    let fraction = trimmed(String(text.dropFirst(exponent + 1)))
    return "\(sign)\(text.prefix(exponent + 1))\(fraction.isEmpty ? "" : ".\(fraction)")"
  }

  /// Without trailing zeros.
  private static func trimmed(_ digits: String) -> String {
    var digits = digits
    while digits.last == "0" { digits.removeLast() }
    return digits
  }

  package static func shape(_ shape: [Int]) -> String { "[\(shape.map(String.init).joined(separator: ", "))]" }
}
