import Foundation
import JSONText
import MergePlanning
import TestSupport

/// A case of `Fixtures/image/cases`: a base, adapters, and the tensors that a merge must give, or that it must be rejected.
struct ImageCase: CustomStringConvertible, Sendable {
  let name: String
  let base: String
  let adapters: [(path: String, weight: Double)]
  let options: MergeOptions
  let isRejected: Bool
  /// The changed tensors before they are rounded. In a folder, names have the file and a bar before them.
  let expected: String
  /// Whether every number is the nearest one.
  let isExact: Bool
  /// The tolerance, of a tensor's largest number.
  let tolerance: Double
  /// Whether a tensor may be of another dtype or scale, so that its numbers are compared.
  let isDecoded: Bool

  var description: String { name }
  var isFile: Bool { base.hasSuffix(".safetensors") }

  private static let folder = fixturesPath() + "/image/cases/"

  static let all: [ImageCase] = {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.sorted().compactMap { try? ImageCase($0) }
  }()

  private init(_ name: String) throws {
    let folder = Self.folder + name + "/"
    let text = try contents(folder + "case.json")
    let entry = try JSONParser.parse(text.span)
    let options = try Self.options(entry["options"])
    self.name = name
    self.options = options
    base = URL(fileURLWithPath: folder + Self.string(entry["base"])).standardizedFileURL.path
    adapters = Self.list(entry["adapters"]).map { (folder + Self.string($0["file"]), Self.number($0["weight"]) ?? 1) }
    isRejected = entry["expect"] == .string("refuse")
    expected = folder + "expected.safetensors"
    isExact = entry["exact"] == .bool(true)
    tolerance = Self.number(entry["tolerance"]?["rel"]) ?? 1e-6
    isDecoded = entry["tolerance"]?["decoded"] == .bool(true)
  }

  private static func options(_ value: JSONValue?) throws -> MergeOptions {
    var options = MergeOptions()
    for option in list(value) {
      guard option == .string("--requantize") else { throw CocoaError(.featureUnsupported) }
      options.requantizes = true
    }
    return options
  }

  private static func string(_ value: JSONValue?) -> String { if case .string(let text)? = value { text } else { "" } }

  private static func number(_ value: JSONValue?) -> Double? {
    switch value {
    case .real(let number)?: number
    case .integer(let number)?: Double(number)
    default: nil
    }
  }

  private static func list(_ value: JSONValue?) -> [JSONValue] {
    if case .array(let values)? = value { values } else { [] }
  }
}
