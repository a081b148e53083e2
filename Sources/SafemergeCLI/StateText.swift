import JSONText

/// The JSON text that bitsandbytes keeps beside a weight.
enum StateText {
  /// Its `shape`; nil for anything else.
  static func shape(_ bytes: [UInt8]) -> [Int]? {
    guard let state = try? JSONParser.parse(bytes.span), case .array(let elements)? = state["shape"] else { return nil }
    let shape = elements.compactMap { element -> Int? in
      if case .integer(let size) = element, size >= 0, size < 1 << 40 { Int(size) } else { nil }
    }
    return shape.count == elements.count ? shape : nil
  }
}
