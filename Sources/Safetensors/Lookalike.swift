/// Files that people take for safetensors, known by their first bytes.
public enum Lookalike: String, Sendable, CaseIterable {
  case zip = "a zip archive (a PyTorch .bin or .pt file?)"
  case pickle = "a Python pickle (a PyTorch .bin or .pt file?)"
  case gguf = "a GGUF file"
  case lfsPointer = "a git-lfs pointer"
  case markup = "an HTML or XML page"
  case gzip = "a gzip archive"
  case json = "a JSON text"
  case bigEndianLength = "a file whose header length is written big-endian"

  init?(firstBytes bytes: [UInt8]) {
    func starts(_ prefix: [UInt8]) -> Bool { bytes.starts(with: prefix) }
    if starts([0x50, 0x4B, 3, 4]) {
      self = .zip
    } else if bytes.count >= 2, bytes[0] == 0x80, (2...5).contains(bytes[1]) {
      self = .pickle
    } else if starts(Array("GGUF".utf8)) {
      self = .gguf
    } else if starts(Array("version ".utf8)) {
      self = .lfsPointer
    } else if starts(Array("<".utf8)) {
      self = .markup
    } else if bytes.count >= 2, bytes[0] == UInt8(ascii: "{"), [0x20, 0x0A, 0x0D, 0x22].contains(bytes[1]) {
      self = .json
    } else if starts([0x1F, 0x8B]) {
      self = .gzip
    } else if bytes.count >= 8, bytes[..<4].allSatisfy({ $0 == 0 }), bytes[4] < 6 {
      self = .bigEndianLength
    } else {
      return nil
    }
  }

  var hint: String? {
    switch self {
    case .zip, .pickle: "load it with torch.load(..., weights_only=True) and save it with safetensors.torch.save_file"
    case .lfsPointer: "the real file was not downloaded; run git lfs pull, or download it with hf download"
    case .markup: "the download saved an error page? download the file again"
    case .gzip: "unpack it first"
    case .json: "pass the folder that contains it"
    case .gguf, .bigEndianLength: nil
    }
  }
}
