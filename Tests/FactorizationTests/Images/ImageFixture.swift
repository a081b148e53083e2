import JSONText
import MergePlanning
import Merging
import Safetensors
import TestSupport

/// A base and an adapter of `Fixtures/image/cases`.
struct ImageFixture {
  let base: String
  let adapter: String

  init(_ name: String) throws {
    let folder = fixturesPath() + "/image/cases/\(name)/"
    let text = try contents(folder + "case.json")
    let entry = try JSONParser.parse(text.span)
    base = folder + Self.text(entry["base"])
    adapter = folder + Self.text(Self.first(entry["adapters"])?["file"])
  }

  private static func text(_ value: JSONValue?) -> String {
    guard case .string(let text)? = value else { return "" }
    return text
  }

  private static func first(_ value: JSONValue?) -> JSONValue? {
    guard case .array(let values)? = value else { return nil }
    return values.first
  }

  /// What the base is stored as.
  var ending: String { base.hasSuffix(".safetensors") ? ".safetensors" : "" }

  /// Merges an adapter in fp32; returns the path of the result.
  ///
  /// - Parameter adapter: Nil: the fixture's.
  func merge(_ adapter: String? = nil, to output: String) throws -> String {
    var request = try MergeRequest(base: base, adapters: [adapter ?? self.adapter], output: output + ending)
    request.planning.outputDType = .f32
    _ = try request.prepare().run()
    return output + ending
  }
}
