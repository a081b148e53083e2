/// An amount of memory: `64M`, `1.5GiB`; K, M, G and T are powers of 1024, with or without `iB` or `B`.
struct SizeArgument {
  let byteCount: Int

  init(argument: String) throws {
    byteCount = try ByteCountText(argument, example: "64M or 2G").byteCount(base: 1024)
  }
}
