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

  /// The units of `--max-shard-size`, which are transformers' and huggingface_hub's.
  @Test(arguments: [
    ("4096", 4096), ("7B", 7), ("5GB", 5_000_000_000), ("5gb", 5_000_000_000), ("5G", 5_000_000_000),
    ("500MB", 500_000_000),
    ("1.5KB", 1500), ("2TB", 2_000_000_000_000), ("1GiB", 1 << 30), ("1.5mib", 3 << 19),
  ])
  func ofFilesIsReadInPowersOf1000(text: String, byteCount: Int) {
    #expect(FileSizeArgument(argument: text)?.byteCount == byteCount)
  }

  @Test(arguments: [
    "", "GB", "0", "-1", "1X", "1e9", "5 GB", "1Gib1", "1.2.3M", "nan", "99999999999T", "1MMB", "0.1", "1ib",
  ])
  func ofFilesIsRefused(text: String) { #expect(FileSizeArgument(argument: text) == nil) }
}
