/// The largest size of a weight file: `5GB`, `500MB`, `1.5GiB`; KB, MB, GB and TB are powers of 1000, as in
/// transformers and huggingface_hub, also without the B; KiB, MiB, GiB and TiB are powers of 1024.
struct FileSizeArgument {
  let byteCount: Int

  init(argument: String) throws {
    byteCount = try ByteCountText(argument, example: "5GB or 500MiB").byteCount(base: 1000)
  }
}
