import Foundation

/// A generator whose seed can be given, to run a failure again: `SAFEMERGE_TEST_SEED=... swift test`.
package struct SeededGenerator: RandomNumberGenerator, CustomStringConvertible {
  package let seed: UInt64
  private var state: UInt64

  package init() {
    let given = ProcessInfo.processInfo.environment["SAFEMERGE_TEST_SEED"].flatMap { UInt64($0) }
    seed = given ?? UInt64.random(in: 0 ... .max)
    state = seed
  }

  /// The same numbers in every run.
  package init(seed: UInt64) {
    self.seed = seed
    state = seed
  }

  package var description: String { "SAFEMERGE_TEST_SEED=\(seed)" }

  // SplitMix64.
  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    return z ^ z >> 31
  }
}
