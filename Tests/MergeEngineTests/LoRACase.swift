import Adapters
import JSONText
import MergePlanning
import Safetensors
import TestSupport
import Testing

/// An entry of `Fixtures/cases-all-lora.json`.
struct LoRACase: CustomTestStringConvertible, Sendable {
  let name: String
  let feature: String
  let base: String
  let adapters: [String]
  /// What PEFT made of it, and what is right where that is wrong or missing; only changed tensors if `isPartial`.
  let merged: String?
  let correct: String?
  let match: String?
  let isPartial: Bool
  let refused: String?
  let combine: String?
  let isAmbiguous: Bool
  let dropped: [String]
  let newTensors: [String]
  let layers: [Int]?
  let vocabularySize: Int?
  /// Whether head and embedding are to stay one tensor even if the case is one of those that are written apart.
  var isAlwaysTied = false

  var testDescription: String { name }

  static let all: [LoRACase] = {
    guard let text = try? contents(fixturesPath() + "/cases-all-lora.json"),
      case .array(let entries) = try? JSONParser.parse(text.span)
    else { return [] }
    return entries.map(LoRACase.init)
  }()

  static func named(_ name: String) throws -> LoRACase { try #require(all.first { $0.name == name }) }

  private init(_ entry: JSONValue) {
    func string(_ key: String) -> String? {
      if case .string(let value) = entry[key] { value } else { nil }
    }
    func strings(_ key: String) -> [String] {
      guard case .array(let values)? = entry[key] else { return [] }
      return values.compactMap { if case .string(let value) = $0 { value } else { nil } }
    }
    func integer(_ value: JSONValue?) -> Int? {
      if case .integer(let number)? = value { Int(number) } else { nil }
    }
    func path(_ text: String) -> String { fixturesPath() + "/" + text }
    name = string("name") ?? ""
    feature = string("feature") ?? ""
    base = path(string("base") ?? "")
    let several = strings("adapters")
    adapters = (several.isEmpty ? [string("adapter") ?? ""] : several).map(path)
    merged = string("merged").map(path)
    correct = string("correct").map(path)
    match = string("match")
    isPartial = entry["partial"] == .bool(true)
    refused = string("refused")
    combine = string("combine")
    isAmbiguous = entry["ambiguous"].map { $0 != .null } ?? false
    dropped = strings("dropped")
    newTensors = strings("new_tensors")
    if case .array(let values)? = entry["layers"] { layers = values.compactMap(integer) } else { layers = nil }
    vocabularySize = integer(entry["vocab_size"])
  }

  /// Whether it is one adapter, or several one after another; other combinations are a matter of their own.
  var isSimple: Bool { combine == nil || combine == "sequential" }

  /// Whether PEFT's file is what the adapter means.
  var isMergedByPEFT: Bool { isSimple && merged != nil && (match == "exact" || match == "peft") }

  /// Whether it stays refused. Some cases that an earlier version refused are merged now.
  var isRefused: Bool { refused != nil && !isMergedByPEFT && !isMergedByDecomposition }

  /// Whether PEFT's file came of a decomposition of the base, whose last bits nobody has again.
  var isMergedByDecomposition: Bool { isSimple && merged != nil && match == "close" }

  static let merging = all.filter { $0.isMergedByPEFT || ($0.isSimple && $0.correct != nil) }

  /// What a user has to say so that the case is merged.
  var options: MergeOptions {
    var options = MergeOptions()
    options.addsTensors = !newTensors.isEmpty
    if feature == "tied", !name.contains("ensured"), !isAlwaysTied { options.tied = .split }
    if isAmbiguous { options.expertLayout = .expertMajor }
    return options
  }

  func merge(to output: String, _ change: (inout MergeOptions) -> Void = { _ in }) throws -> TestMerge {
    var options = options
    change(&options)
    return try TestMerge(base: base, adapters: adapters.map { ($0, 1) }, output: output, options: options)
  }

  /// Every tensor that a result must have: those of the file, and the base's that it leaves out.
  func expected(_ path: String) throws -> [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)] {
    var tensors = try loadTensors(path)
    guard isPartial else { return tensors }
    for (name, tensor) in try loadTensors(base) where tensors[name] == nil && !dropped.contains(name.string) {
      tensors[name] = tensor
    }
    return tensors
  }
}
