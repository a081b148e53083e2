/// Numbers in the texts of this program, the same in every locale.
enum Figures {
  static func seconds(_ duration: Duration) -> String { "\(fixed(seconds(of: duration), 2)) s" }

  static func seconds(of duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
  }

  /// Mebibytes with one decimal.
  static func mebibytes(_ byteCount: Int) -> String { "\(fixed(Double(byteCount) / 0x1p20, 1)) MiB" }

  /// A number with so many digits behind the point.
  static func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
    let scaled = Int64((abs(value) * scale).rounded())
    var text = String(scaled)
    if digits > 0 {
      text = String(repeating: "0", count: max(0, digits + 1 - text.utf8.count)) + text
      text = "\(text.dropLast(digits)).\(text.suffix(digits))"
    }
    return value < 0 && scaled != 0 ? "-" + text : text
  }

  static func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
    let padding = String(repeating: " ", count: max(0, width - text.count))
    return left ? text + padding : padding + text
  }
}
