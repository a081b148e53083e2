import JSONText

extension JSONWriter {
  /// A member of the object at hand: a text, or null.
  mutating func member(_ key: String, _ value: String?) {
    self.key(key)
    if let value { self.value(value) } else { null() }
  }
}
