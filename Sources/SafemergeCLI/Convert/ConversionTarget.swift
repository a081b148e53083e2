import AdapterConversion
import ArgumentParser

/// What an adapter is converted to.
enum ConversionTarget: ExpressibleByArgument {
  /// The same factors in another dialect.
  case dialect(AdapterDialect)
  /// A LoRA, whose factors are computed.
  case lora

  private static let loraName = "lora"

  init?(argument: String) {
    if argument == Self.loraName {
      self = .lora
    } else if let dialect = AdapterDialect(rawValue: argument) {
      self = .dialect(dialect)
    } else {
      return nil
    }
  }

  static var allValueStrings: [String] { AdapterDialect.allCases.map(\.rawValue) + [loraName] }
}
