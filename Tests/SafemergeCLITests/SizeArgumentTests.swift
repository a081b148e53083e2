import Testing

@testable import SafemergeCLI

@Suite struct SizeArgumentTests {
  @Test(arguments: [
    ("4096B", 4096), ("64M", 64 << 20), ("64MiB", 64 << 20), ("64mb", 64 << 20), ("1.5G", 3 << 29), ("2T", 2 << 40),
    ("512k", 512 << 10), ("7B", 7),
  ])
  func isReadInPowersOf1024(text: String, byteCount: Int) throws {
    #expect(try SizeArgument(argument: text).byteCount == byteCount)
  }

  /// The units of `--max-shard-size`, which are transformers' and huggingface_hub's.
  @Test(arguments: [
    ("4096B", 4096), ("7B", 7), ("5GB", 5_000_000_000), ("5gb", 5_000_000_000), ("5G", 5_000_000_000),
    ("500MB", 500_000_000),
    ("1.5KB", 1500), ("2TB", 2_000_000_000_000), ("1GiB", 1 << 30), ("1.5mib", 3 << 19),
  ])
  func ofFilesIsReadInPowersOf1000(text: String, byteCount: Int) throws {
    #expect(try FileSizeArgument(argument: text).byteCount == byteCount)
  }

  @Test(arguments: [
    ("", "expected a size above 0"), ("GB", "expected a size above 0"), ("0", "expected a size above 0"),
    ("-1", "expected a size above 0"), ("nan", "expected a size above 0"), ("1.2.3M", "expected a size above 0"),
    ("5", "the unit is missing"), ("4096", "the unit is missing"), ("5XB", "unknown unit \"XB\""),
    ("1e9", "unknown unit \"e9\""), ("5 GB", "unknown unit \" GB\""), ("1Gib1", "unknown unit \"Gib1\""),
    ("1MMB", "unknown unit \"MMB\""), ("1ib", "unknown unit \"ib\""), ("1bb", "unknown unit \"bb\""),
    ("99999999999T", "more than 4 EiB"), ("0.1B", "less than a byte"),
  ])
  func isRefusedWithAReason(text: String, reason: String) {
    for parse in [{ try SizeArgument(argument: $0).byteCount }, { try FileSizeArgument(argument: $0).byteCount }] {
      let error = #expect(throws: InvalidValue.self) { try parse(text) }
      #expect(error?.reason == reason)
      #expect(error?.hint?.hasPrefix("for example ") == true)
    }
  }
}
