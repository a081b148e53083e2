import Testing

@testable import SafemergeCLI

@Suite struct SizeArgumentTests {
  @Test(arguments: [
    ("4096", 4096), ("64M", 64 << 20), ("64MiB", 64 << 20), ("64mb", 64 << 20), ("1.5G", 3 << 29), ("2T", 2 << 40),
    ("512k", 512 << 10), ("7B", 7),
  ])
  func isReadInPowersOf1024(text: String, byteCount: Int) {
    #expect(SizeArgument(argument: text)?.byteCount == byteCount)
  }

  @Test(arguments: ["", "M", "0", "-1", "1X", "1e9", "1.2.3M", "64 M", "nan", "99999999999T", "1MMB", "0.1"])
  func isRefused(text: String) { #expect(SizeArgument(argument: text) == nil) }
}
