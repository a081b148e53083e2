import Platform

/// How much of an adapter is merged: one weight, or weights of parts of an image model, as `unet:0.8,te:0.5`.
public struct AdapterWeight: Sendable, Equatable {
  /// The weight of the modules in one part of the model.
  public struct Part: Sendable, Equatable {
    /// What the user calls the part, such as `unet`, `te` or the name of its folder.
    public let name: String
    public let weight: Double

    public init(name: String, weight: Double) {
      self.name = name
      self.weight = weight
    }
  }

  /// Of every module whose part has no weight of its own.
  public let whole: Double
  public let parts: [Part]

  public init(_ whole: Double = 1, parts: [Part] = []) {
    self.whole = whole
    self.parts = parts
  }

  /// The weight that takes back what this one adds.
  public var negated: AdapterWeight {
    AdapterWeight(-whole, parts: parts.map { Part(name: $0.name, weight: -$0.weight) })
  }

  /// The weight that a text names: a number, or parts with a number each, separated by commas; nil: it isn't a weight, or names
  /// a part twice.
  public init?(_ text: some StringProtocol) {
    if let number = Self.number(text) {
      self.init(number)
      return
    }
    var parts: [Part] = []
    for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
      let fields = entry.split(separator: ":", omittingEmptySubsequences: false)
      guard fields.count == 2, !fields[0].isEmpty, let weight = Self.number(fields[1]),
        !parts.contains(where: { $0.name == fields[0] })
      else { return nil }
      parts.append(Part(name: String(fields[0]), weight: weight))
    }
    self.init(parts: parts)
  }

  private static func number(_ text: some StringProtocol) -> Double? {
    Double(String(text)).flatMap { $0.isFinite ? $0 : nil }
  }

  /// The weight for people: `0.5`, `unet 0.8, te 0.5`.
  package var label: String {
    if parts.isEmpty { return NumberText.number(whole) }
    return parts.map { "\($0.name) \(NumberText.number($0.weight))" }.joined(separator: ", ")
  }

  /// How the adapter at a path is given to the program with this weight.
  package func argument(_ path: String) -> String {
    if isOne { return path }
    let text = parts.map { "\($0.name):\(NumberText.number($0.weight))" }.joined(separator: ",")
    return "\(path)=\(parts.isEmpty ? NumberText.number(whole) : text)"
  }

  /// Whether it merges the adapter as it is.
  public var isOne: Bool { whole == 1 && parts.isEmpty }

  /// The weight as a user writes it.
  public var text: String {
    parts.isEmpty ? "\(whole)" : parts.map { "\($0.name):\($0.weight)" }.joined(separator: ",")
  }
}
