import CSHA256
import Testing

/// Every variant that this processor runs, against published values.
@Suite struct SHA256VariantTests {
  static let variants = [CSHA_PORTABLE, CSHA_X86_SHA, CSHA_ARM_SHA2].filter { csha_can_run($0) != 0 }

  /// The digest of `bytes`, added in pieces of `step` bytes.
  private func digest(_ bytes: [UInt8], by variant: csha_variant, step: Int = .max) -> [UInt8] {
    var state = csha_start(variant)
    var start = 0
    while start < bytes.count {
      let count = min(step, bytes.count - start)
      bytes[start..<(start + count)].withUnsafeBytes { csha_add(&state, $0.baseAddress, $0.count) }
      start += count
    }
    return [UInt8](unsafeUninitializedCapacity: 32) { digest, count in
      csha_finish(state, digest.baseAddress)
      count = 32
    }
  }

  private func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  private func bytes(ofHexadecimal text: String) -> [UInt8] {
    var pairs = Substring(text)
    var bytes: [UInt8] = []
    while let byte = UInt8(pairs.prefix(2), radix: 16) {
      bytes.append(byte)
      pairs = pairs.dropFirst(2)
    }
    return bytes
  }

  /// The Monte Carlo test of NIST's SHAVS, section 6.4: 100 times 1,000 digests of the three before; the first and the last.
  @Test(arguments: variants) func passesTheMonteCarloTest(variant: csha_variant) {
    var seed = bytes(ofHexadecimal: "6d1e72ad03ddeb5de891e572e2396f8da015d899ef0e79503152d6010a3fe691")
    var found: [String] = []
    for _ in 0..<100 {
      var (a, b, c) = (seed, seed, seed)
      for _ in 0..<1000 { (a, b, c) = (b, c, digest(a + b + c, by: variant)) }
      seed = c
      found.append(hexadecimal(seed))
    }
    #expect(found.first == "e93c330ae5447738c8aa85d71a6c80f2a58381d05872d26bdd39f1fcd4f2b788")
    #expect(found.last == "6a912ba4188391a78e6f13d88ed2d14e13afce9db6f7dcbf4a48c24f3db02778")
  }

  /// All lengths below 1,000: the digest of their digests, as Python's hashlib computes it.
  @Test(arguments: variants, [1, 3, 63, 64, 65, 200, .max])
  func hashesEveryLengthInPiecesOfAnySize(variant: csha_variant, step: Int) {
    let message = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }
    let digests = message.indices.flatMap { digest(Array(message.prefix($0)), by: variant, step: step) }
    #expect(
      hexadecimal(digest(digests, by: variant)) == "df3cd7b7b5ddcf8f90a897a1dce1dd7fb1832feb0d578138be73c9294438a58e")
  }

  @Test func choosesAVariantThatTheProcessorRuns() {
    #expect(csha_can_run(csha_best_variant()) != 0)
    #expect(Self.variants.contains(CSHA_PORTABLE))
  }
}
