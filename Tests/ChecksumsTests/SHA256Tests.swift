import Checksums
import Testing

@Suite struct SHA256Tests {
  /// FIPS 180-4's examples, and what `sha256sum` prints of a million letters a: a text, and how often it is repeated.
  @Test(arguments: [
    ("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    ("a", 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
  ])
  func isThePublishedValue(text: String, count: Int, expected: String) {
    let bytes = Array(String(repeating: text, count: count).utf8)
    #expect(SHA256Checksum(of: bytes).description == expected)
    var stream = SHA256Stream()
    for start in stride(from: 0, to: bytes.count, by: 77_777) {
      stream.update(bytes.span.bytes.extracting(start..<min(start + 77_777, bytes.count)))
    }
    #expect(stream.checksum.description == expected)
    #expect(SHA256Checksum(hexadecimal: expected.uppercased()) == stream.checksum)
  }

  @Test(arguments: ["", "ba78", String(repeating: "g", count: 64), String(repeating: "0", count: 66)])
  func readsOnlyItsOwnForm(text: String) {
    #expect(SHA256Checksum(hexadecimal: text) == nil)
  }
}
