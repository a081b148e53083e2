extension Array {
  /// Makes room for `count` elements; what was there is not kept if there was too little.
  mutating func grow(to count: Int, filler: Element) {
    if self.count < count { self = Array(repeating: filler, count: count) }
  }
}
