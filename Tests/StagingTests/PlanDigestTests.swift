import Checksums
import Testing

@testable import Staging

/// The name under which the parts of one plan, and of no other, meet.
@Suite struct PlanDigestTests {
  private typealias Input = MergeIdentity.Input

  private func identity(
    version: String = "1.0", options: [(String, String)] = [("dtype", "auto"), ("weight 1", "1.0")],
    base: Input = Input(role: "base", name: "a", byteCount: 5, headerChecksum: SHA256Checksum(of: [1])),
    adapter: Input = Input(role: "adapter 1", name: "b", byteCount: 6, checksum: SHA256Checksum(of: [2])),
    more: [Input] = []
  ) -> MergeIdentity {
    MergeIdentity(
      version: version, options: options.map { .init(name: $0.0, value: $0.1) }, inputs: [base, adapter] + more)
  }

  @Test func everythingThatDecidesTheResultDecidesIt() {
    let header = SHA256Checksum(of: [1])
    let others = [
      identity(version: "1.1"), identity(options: []), identity(options: [("dtype", "auto"), ("weight 1", "0.5")]),
      identity(options: [("weight 1", "1.0"), ("dtype", "auto")]),
      identity(options: [("dtype", "auto"), ("weight 1", "1.0"), ("requantize", "true")]),
      identity(base: Input(role: "base", name: "a", byteCount: 4, headerChecksum: header)),
      identity(base: Input(role: "base", name: "A", byteCount: 5, headerChecksum: header)),
      identity(base: Input(role: "base", name: "a", byteCount: 5, headerChecksum: SHA256Checksum(of: [3]))),
      identity(adapter: Input(role: "adapter 1", name: "b", byteCount: 6, checksum: SHA256Checksum(of: [3]))),
      identity(adapter: Input(role: "adapter 2", name: "b", byteCount: 6, checksum: SHA256Checksum(of: [2]))),
      identity(more: [Input(role: "copied file", name: "c", byteCount: 7, checksum: SHA256Checksum(of: [2]))]),
      identity(more: [Input(role: "written", name: "c", byteCount: 7, checksum: SHA256Checksum(of: [2]))]),
    ]
    let digests = ([identity()] + others).map { PlanDigest($0).description }
    #expect(Set(digests).count == digests.count)
    for digest in digests { #expect(PlanDigest(name: digest)?.description == digest) }
  }

  /// Every process of an array has to find the same folder, in every later build of a version.
  @Test func itIsTheStartOfTheTextsChecksum() {
    #expect(PlanDigest(identity()) == PlanDigest(identity()))
    #expect(PlanDigest(identity()).description == SHA256Checksum(of: identity().text).description.prefix(32))
    #expect(PlanDigest(identity()).description == "81e415d681b8222ef50bb0338dee5d23")
  }

  @Test(arguments: ["", "0", String(repeating: "0", count: 31), String(repeating: "A", count: 32), "../x"])
  func otherNamesAreNone(name: String) { #expect(PlanDigest(name: name) == nil) }
}
