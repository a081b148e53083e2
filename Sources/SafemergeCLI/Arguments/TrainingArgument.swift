import ArgumentParser
import MergePlanning

/// `nf4`, `nf4:BLOCK` or `nf4:BLOCK,double`.
struct TrainingArgument: ExpressibleByArgument {
  let quantization: QLoRAQuantization

  init?(argument: String) {
    let parts = argument.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts[0] == "nf4" else { return nil }
    var block = 64
    var isNested = false
    if parts.count == 2 {
      let fields = parts[1].split(separator: ",", omittingEmptySubsequences: false)
      guard fields.count <= 2, let size = Int(fields[0]) else { return nil }
      if fields.count == 2 {
        guard fields[1] == "double" else { return nil }
        isNested = true
      }
      block = size
    }
    guard let quantization = QLoRAQuantization(block: block, isNested: isNested) else { return nil }
    self.quantization = quantization
  }

  /// The argument's text.
  var text: String { "nf4:\(quantization.block)\(quantization.isNested ? ",double" : "")" }
}
