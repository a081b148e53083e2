/// Members of the current object: a key and its value in one call.
extension JSONWriter {
  /// A text, or null.
  package mutating func member(_ key: String, _ value: String?) {
    self.key(key)
    if let value { self.value(value) } else { null() }
  }

  package mutating func member(_ key: String, _ value: some BinaryInteger) {
    self.key(key)
    self.value(value)
  }

  /// An integer, or null.
  package mutating func member(_ key: String, _ value: (some BinaryInteger)?) {
    self.key(key)
    if let value { self.value(value) } else { null() }
  }

  package mutating func member(_ key: String, _ value: Bool) {
    self.key(key)
    self.value(value)
  }

  /// A finite number; other numbers and nil become null.
  package mutating func member(_ key: String, _ value: Double?) {
    self.key(key)
    if let value { self.value(value) } else { null() }
  }

  package mutating func member(_ key: String, _ texts: some Sequence<String>) {
    self.key(key)
    beginArray()
    for text in texts { value(text) }
    end()
  }

  package mutating func member(_ key: String, _ integers: [Int]) {
    self.key(key)
    value(integers)
  }

  /// Numbers in the shortest form that reads back as the same; those that are not finite become null.
  package mutating func member(_ key: String, _ numbers: [Double]) {
    self.key(key)
    beginArray()
    for number in numbers { value(number) }
    end()
  }

  /// An object.
  package mutating func member(_ key: String, members: (inout JSONWriter) -> Void) {
    self.key(key)
    beginObject()
    members(&self)
    end()
  }

  /// A list of objects, with the members that `members` writes of each element.
  package mutating func list<Element>(
    _ key: String, _ elements: some Sequence<Element>, members: (Element, inout JSONWriter) -> Void
  ) {
    self.key(key)
    beginArray()
    for element in elements {
      beginObject()
      members(element, &self)
      end()
    }
    end()
  }
}
