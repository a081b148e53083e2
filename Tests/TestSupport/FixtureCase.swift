import Foundation
import JSONText

/// An entry of `Fixtures/cases.json`: a base, an adapter or several, and what PEFT made of them.
package struct FixtureCase: CustomStringConvertible, Sendable {
  package let name: String
  /// The folder of Fixtures that it lies in.
  package let tuner: String
  /// The kind of module or of initialization that it is about.
  package let feature: String
  package let base: String
  package let adapters: [String]
  /// What PEFT made of it, and what is right where that is wrong or missing; only changed tensors if `isPartial`.
  package let merged: String?
  package let correct: String?
  package let match: String?
  package let isPartial: Bool
  package let baseDType: String
  /// Why the adapter is refused.
  package let refused: String?
  /// How PEFT combined several adapters, with which weights and settings.
  package let combine: String?
  package let weights: [Double]
  package let density: Double?
  package let countsSigns: Bool
  package let isAmbiguous: Bool
  /// Tensors of the base that PEFT's model, and the right one, do not have.
  package let dropped: [String]
  package let correctDropped: [String]
  package let newTensors: [String]
  package let layers: [Int]?
  package let vocabularySize: Int?
  /// Whether head and embedding are to stay one tensor even if the case is one of those that are written apart.
  package var isAlwaysTied = false

  package var description: String { name }

  package static let all: [FixtureCase] = {
    guard let text = try? contents(fixturesPath() + "/cases.json"),
      case .array(let entries) = try? JSONParser.parse(text.span)
    else { return [] }
    return entries.map(FixtureCase.init)
  }()

  package static func named(_ name: String) throws -> FixtureCase {
    guard let found = all.first(where: { $0.name == name }) else { throw CocoaError(.fileNoSuchFile) }
    return found
  }

  /// The folder of a case's adapter. Without such a case it does not exist.
  package static func adapter(_ name: String) -> String {
    all.first { $0.name == name }?.adapters.first ?? fixturesPath() + "/no case \(name)"
  }

  /// The file that PEFT made of a case. Without such a case it does not exist.
  package static func merged(_ name: String) -> String {
    all.first { $0.name == name }?.merged ?? fixturesPath() + "/no result of \(name)"
  }

  private init(_ entry: JSONValue) {
    func string(_ key: String) -> String? {
      if case .string(let value)? = entry[key] { value } else { nil }
    }
    func values(_ key: String) -> [JSONValue]? {
      if case .array(let values)? = entry[key] { values } else { nil }
    }
    func strings(_ key: String) -> [String] {
      (values(key) ?? []).compactMap { if case .string(let value) = $0 { value } else { nil } }
    }
    func number(_ value: JSONValue?) -> Double? {
      switch value {
      case .real(let number)?: number
      case .integer(let number)?: Double(number)
      default: nil
      }
    }
    func path(_ text: String) -> String { fixturesPath() + "/" + text }
    name = string("name") ?? ""
    tuner = string("tuner") ?? ""
    feature = string("feature") ?? ""
    base = path(string("base") ?? "")
    adapters = strings("adapters").map(path)
    merged = string("merged").map(path)
    correct = string("correct").map(path)
    match = string("match")
    isPartial = entry["partial"] == .bool(true)
    baseDType = string("base_dtype") ?? ""
    refused = string("refused")
    combine = string("combine")
    weights = (values("weights") ?? []).compactMap(number)
    density = number(entry["density"])
    countsSigns = string("majority_sign_method") == "frequency"
    isAmbiguous = entry["ambiguous"].map { $0 != .null } ?? false
    dropped = strings("dropped")
    correctDropped = strings("correct_dropped")
    newTensors = strings("new_tensors")
    layers = values("layers").map { $0.compactMap(number).map { Int($0) } }
    vocabularySize = number(entry["vocab_size"]).map { Int($0) }
  }

  package var isRefused: Bool { refused != nil }

  /// Whether it is one adapter, or several one after another; other combinations are a matter of their own.
  package var isSimple: Bool { isLoRA && (combine == nil || combine == "sequential") }

  /// Whether it is of LoRA, whose suites have references of their own.
  package var isLoRA: Bool { tuner == "lora" }

  /// Whether PEFT's file is what the adapter means.
  package var isMergedByPEFT: Bool { isSimple && merged != nil && (match == "exact" || match == "peft") }

  /// Whether PEFT's file came of a decomposition of the base, whose last bits nobody has again.
  package var isMergedByDecomposition: Bool { isSimple && merged != nil && match == "decomposed" }

  /// Whether PEFT's file came of sums in another order: ranks above 192.
  package var isMergedInAnotherOrder: Bool { isSimple && merged != nil && match == "close" }

  /// Whether nothing but a user's decision keeps head and embedding from being written apart.
  package var isWrittenApart: Bool { feature == "tied" && !name.contains("ensured") && !isAlwaysTied }

  package static let merging = all.filter { $0.isMergedByPEFT || ($0.isSimple && $0.correct != nil) }
}
