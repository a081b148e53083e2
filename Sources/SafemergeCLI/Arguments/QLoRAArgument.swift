import MergePlanning

/// `nf4`, `nf4:BLOCKSIZE`, `nf4:BLOCKSIZE,double` or `nf4:double`.
struct QLoRAArgument {
  let quantization: QLoRAQuantization

  init(argument: String) throws {
    let parts = argument.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts[0] == "nf4" else {
      throw InvalidValue("only nf4 is supported", hint: Self.forms)
    }
    var block = 64
    var isNested = false
    if parts.count == 2 {
      for (place, field) in parts[1].split(separator: ",", omittingEmptySubsequences: false).enumerated() {
        if place < 2, field == "double", !isNested {
          isNested = true
        } else if place == 0, let size = Int(field) {
          block = size
        } else {
          throw InvalidValue("\"\(field)\" is neither a block size nor \"double\"", hint: Self.forms)
        }
      }
    }
    guard let quantization = QLoRAQuantization(block: block, isNested: isNested) else {
      let sizes = QLoRAQuantization.blocks.map(String.init).joined(separator: ", ")
      throw InvalidValue("block size \(block) does not exist in bitsandbytes", hint: "block sizes are \(sizes)")
    }
    self.quantization = quantization
  }

  private static let forms = "write nf4, nf4:BLOCKSIZE, nf4:BLOCKSIZE,double or nf4:double"

  /// The argument's text.
  var text: String { "nf4:\(quantization.block)\(quantization.isNested ? ",double" : "")" }
}
