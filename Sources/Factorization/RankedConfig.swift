import Adapters
import JSONText

/// adapter_config.json of a LoRA whose factors have scaling 1: alpha is the rank in every module.
struct RankedConfig {
  /// `r` and `lora_alpha`: the rank that most modules have, the larger of several.
  let rank: Int
  /// Entries of the patterns.
  private let patterns: [(key: String, value: Int)]
  var targets: [String] = []
  /// Parameters that stack experts.
  var targetParameters: [String] = []
  var savedModules: [String] = []
  var bias = "none"
  var baseName: String?
  var taskType: String?
  var isTransposed = false
  /// Whether the factors or the weight of a tied module are in the adapter twice.
  var tiesWeights = false

  init(_ ranks: [(module: String, rank: Int)]) {
    let counts = ranks.reduce(into: [Int: Int]()) { $0[$1.rank, default: 0] += 1 }
    let rank = counts.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? 1
    self.rank = rank
    patterns = WrittenPatterns.entries(ranks.map { ($0.module, $0.rank) }, common: rank)
  }

  /// The members for ranks and alphas, which scale by 1.
  var rankMembers: [(key: String, value: JSONValue)] {
    let patterns = JSONValue.object(
      patterns.map { JSONMember(key: $0.key, value: .integer(Int64($0.value))) })
    return [
      ("alpha_pattern", patterns), ("lora_alpha", .integer(Int64(rank))), ("r", .integer(Int64(rank))),
      ("rank_pattern", patterns), ("use_rslora", .bool(false)),
    ]
  }

  /// The file's text, keys sorted as PEFT sorts them.
  var text: [UInt8] {
    let list = { (names: [String]) in JSONValue.array(names.map(JSONValue.string)) }
    let selection = targets.isEmpty && targetParameters.isEmpty ? JSONValue.string(PEFTLayout.noTargets) : list(targets)
    var members: [(key: String, value: JSONValue)] =
      [
        ("base_model_name_or_path", baseName.map(JSONValue.string) ?? .null), ("bias", .string(bias)),
        ("fan_in_fan_out", .bool(isTransposed)), ("inference_mode", .bool(true)),
        ("init_lora_weights", .bool(true)), ("lora_dropout", .real(0)),
        ("modules_to_save", savedModules.isEmpty ? .null : list(savedModules)), ("peft_type", .string("LORA")),
        ("target_modules", selection), ("task_type", taskType.map(JSONValue.string) ?? .null),
        ("use_dora", .bool(false)),
      ] + rankMembers
    if !targetParameters.isEmpty {
      // Which way a stack of square matrices lies depends on the version of PEFT.
      members += [("peft_version", .string("0.21.2")), ("target_parameters", list(targetParameters))]
    }
    if tiesWeights { members.append(("ensure_weight_tying", .bool(true))) }
    var writer = JSONWriter(indentation: 2)
    writer.value(.object(members.sorted { $0.key < $1.key }.map { JSONMember(key: $0.key, value: $0.value) }))
    return writer.bytes + [UInt8(ascii: "\n")]
  }
}
