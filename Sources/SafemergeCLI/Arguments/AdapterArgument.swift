import ArgumentParser
import JSONText
import MergePlanning
import Platform
import Safetensors

/// An adapter as typed: a folder, a file or a Hugging Face model, alone, as `ADAPTER=WEIGHT`, or with weights of parts of an image
/// model, as `ADAPTER=unet:0.8,te:0.5`.
struct AdapterArgument {
  let model: ModelArgument
  /// As typed, without the weight.
  let name: String
  /// Nil if no weight was typed.
  let givenWeight: AdapterWeight?

  var weight: AdapterWeight { givenWeight ?? AdapterWeight() }

  /// An existing path is used as a whole; otherwise a number after the last "=" is the weight.
  init(_ text: String) throws {
    if try SystemCalls.identity(path: text) == nil, let sign = text.lastIndex(of: "=") {
      let number = text[text.index(after: sign)...]
      let adapter = String(text[..<sign])
      guard let weight = AdapterWeight(number) else {
        let hasParts = number.contains(":")
        throw ValidationError(
          "invalid weight \"\(number)\" for \(adapter): expected \(hasParts ? "parts with a number each" : "a number")"
            .escapingUnprintable,
          hint: "for example \(adapter)=\(hasParts ? "unet:0.8,te:0.5" : "0.5")".escapingUnprintable)
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
