import CSHA256

/// The SHA-256 of bytes that come one piece after another.
///
/// Source: FIPS 180-4, section 6.2; computed in C by the fastest variant that the processor runs.
public struct SHA256Stream: Sendable {
  private var state = csha_start(csha_best_variant())

  public init() {}

  /// Adds bytes behind those that were added before.
  public mutating func update(_ bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { buffer in unsafe csha_add(&state, buffer.baseAddress, buffer.count) }
  }

  public mutating func update(_ bytes: [UInt8]) { unsafe update(bytes.span.bytes) }

  /// The checksum of all that was added so far.
  public var checksum: SHA256Checksum {
    SHA256Checksum(
      bytes: unsafe Array(unsafeUninitializedCapacity: 32) { digest, count in
        unsafe csha_finish(state, digest.baseAddress)
        count = 32
      })
  }
}

/// 32 bytes, written as 64 lower-case hexadecimal digits, as `sha256sum` does.
public struct SHA256Checksum: Hashable, Sendable, CustomStringConvertible {
  public let bytes: [UInt8]

  init(bytes: [UInt8]) { self.bytes = bytes }

  /// The checksum of these bytes.
  public init(of bytes: [UInt8]) {
    var stream = SHA256Stream()
    stream.update(bytes)
    self = stream.checksum
  }

  /// Reads 64 hexadecimal digits of either case; nil for anything else.
  public init?(hexadecimal text: some StringProtocol) {
    let digits = text.utf8.map { Self.value(ofDigit: $0) }
    guard digits.count == 64 else { return nil }
    var bytes: [UInt8] = []
    for first in stride(from: 0, to: 64, by: 2) {
      guard let high = digits[first], let low = digits[first + 1] else { return nil }
      bytes.append(high << 4 | low)
    }
    self.bytes = bytes
  }

  public var description: String {
    let digits = Array("0123456789abcdef")
    return String(bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }

  private static func value(ofDigit character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
