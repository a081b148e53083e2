/// Numbers of a report formatted for people, the same in every locale: three significant digits.
public enum ReportNumbers {
  /// `12.3`, `0.0123`, `1.23e-07`.
  public static func significant(_ value: Double) -> String {
    guard value.isFinite else { return "\(value)" }
    guard value != 0 else { return "0" }
    let sign = value < 0 ? "-" : ""
    let decimal = DecimalDigits(value.magnitude, count: 3)
    let (digits, exponent) = (decimal.digits, decimal.exponent)
    if exponent < -4 || exponent > 8 {
      let place = exponent.magnitude < 10 ? "0\(exponent.magnitude)" : "\(exponent.magnitude)"
      return "\(sign)\(digits / 100).\(digits / 10 % 10)\(digits % 10)e\(exponent < 0 ? "-" : "+")\(place)"
    }
    if exponent >= 2 { return sign + String(digits) + String(repeating: "0", count: exponent - 2) }
    let text = exponent < 0 ? String(repeating: "0", count: -exponent) + String(digits) : String(digits)
    let whole = exponent < 0 ? 1 : exponent + 1
    return "\(sign)\(text.prefix(whole)).\(text.dropFirst(whole))"
  }

  /// A share in percent: `12.3 %`.
  public static func percent(_ share: Double) -> String { "\(significant(share * 100)) %" }
}
