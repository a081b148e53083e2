import JSONText
import Safetensors

/// One field of a quantization config and what a merge makes of it.
struct QuantizationField {
  enum Disposition {
    /// Read here.
    case used
    /// Has no part in the numbers that codes stand for, for the reason given.
    case harmless(because: String)
    /// Applied when the model runs; stays in force, because the config stays.
    case kept
    /// Refused, for the reason given, unless the value is one of `neutral`, or nothing.
    case refused(unless: [JSONValue], because: String)
  }

  let name: String
  let disposition: Disposition

  static func used(_ names: String...) -> [QuantizationField] {
    names.map { QuantizationField(name: $0, disposition: .used) }
  }

  static func harmless(_ reason: String, _ names: String...) -> [QuantizationField] {
    names.map { QuantizationField(name: $0, disposition: .harmless(because: reason)) }
  }

  static func kept(_ names: String...) -> [QuantizationField] {
    names.map { QuantizationField(name: $0, disposition: .kept) }
  }

  static func refused(_ name: String, unless neutral: [JSONValue] = [], _ reason: String) -> [QuantizationField] {
    [QuantizationField(name: name, disposition: .refused(unless: neutral, because: reason))]
  }

  /// Whether Python code takes the value as if the field were not there.
  static func isOff(_ value: JSONValue) -> Bool { [.null, .object([]), .array([])].contains(value) }
}
