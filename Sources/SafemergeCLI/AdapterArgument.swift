import ArgumentParser
import Safetensors

/// An adapter as typed: a folder or a model of the hub, alone or as `ADAPTER=WEIGHT`.
struct AdapterArgument {
  let model: ModelArgument
  let weight: Double

  /// A path that exists is taken whole; otherwise a number behind the last "=" is the weight.
  init(_ text: String) throws {
    if try SystemCalls.identity(path: text) == nil, let sign = text.lastIndex(of: "=") {
      let number = text[text.index(after: sign)...]
      guard let weight = Double(number), weight.isFinite else {
        throw ValidationError("\"\(number)\" is no weight for the adapter \(text[..<sign]); a number is expected.")
      }
      model = try ModelArgument(String(text[..<sign]))
      self.weight = weight
    } else {
      model = try ModelArgument(text)
      weight = 1
    }
  }
}
