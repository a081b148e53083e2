import ArgumentParser
import JSONText
import Platform
import Safetensors

/// An adapter as typed: a folder or a Hugging Face model, alone or as `ADAPTER=WEIGHT`.
struct AdapterArgument {
  let model: ModelArgument
  /// As typed, without the weight.
  let name: String
  /// Nil if no weight was typed.
  let givenWeight: Double?

  var weight: Double { givenWeight ?? 1 }

  /// An existing path is used as a whole; otherwise a number after the last "=" is the weight.
  init(_ text: String) throws {
    if try SystemCalls.identity(path: text) == nil, let sign = text.lastIndex(of: "=") {
      let number = text[text.index(after: sign)...]
      let adapter = String(text[..<sign])
      guard let weight = Double(number), weight.isFinite else {
        throw ValidationError(
          "invalid weight \"\(number)\" for \(adapter): expected a number".escapingUnprintable,
          hint: "for example \(adapter)=0.5".escapingUnprintable)
      }
      name = adapter
      givenWeight = weight
    } else {
      name = text
      givenWeight = nil
    }
    model = try ModelArgument(name)
  }
}
