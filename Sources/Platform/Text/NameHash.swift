/// A number that tells names apart, the same on every machine.
///
/// Source: FNV-1a, 64 bits (Fowler, Noll and Vo).
package enum NameHash {
  /// - Parameter seed: Another one gives other numbers.
  package static func of(_ name: some StringProtocol, seed: UInt64 = 0) -> UInt64 {
    name.utf8.reduce(0xCBF2_9CE4_8422_2325 ^ seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}
