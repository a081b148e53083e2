import Checkpoints
import JSONText
import Safetensors

/// The number of parameters of a mixture of experts that are active for one token.
///
/// Routed experts are those below a module called `experts`, numbered or stacked; of each list a token passes as many as
/// config.json says. All other tensors count whole: attention, routers, shared experts, embeddings and heads.
public struct ActiveParameters: Sendable, Equatable {
  /// Parameters that take part for one token.
  public let count: Int
  /// Experts in a list that a router chooses from; of lists of several sizes the largest.
  public let expertCount: Int
  /// How many of them a token passes.
  public let expertsPerToken: Int

  /// Names that configs have for the number of experts that a token passes.
  private static let perTokenKeys: Set<String> = [
    "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk", "moe_top_k", "moe_k",
    "top_k_experts", "num_selected_experts", "num_experts_per_topk",
  ]
  private static let countKeys: Set<String> = [
    "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_moe_experts", "num_routed_experts",
  ]
  /// Families whose number is no field of the config.
  private static let fixedPerToken = ["switch_transformers": 1, "nllb-moe": 2]

  /// Nil if the model has no routed experts, or config.json does not say how many a token passes, or says several numbers.
  public init?(_ model: Checkpoint, _ weights: StoredWeights) {
    guard let config = model.config else { return nil }
    var perToken: Set<Int> = []
    var counts: Set<Int> = []
    Self.collect(config, Self.perTokenKeys, &perToken)
    Self.collect(config, Self.countKeys, &counts)
    if perToken.isEmpty, let family = ModelConfig.family(config), let fixed = Self.fixedPerToken[family] {
      perToken = [fixed]
    }
    guard perToken.count == 1, let chosen = perToken.first, chosen > 0 else { return nil }
    var total = 0
    var numbered: [String: (parameters: Int, experts: Set<Substring>)] = [:]
    var stacked: [Int: Int] = [:]
    for (number, file) in model.files.enumerated() {
      let tensors = file.header.tensors
      for index in tensors.indices {
        var shape = tensors.shape(at: index)
        let parameters = weights.parameterCount(file: number, index: index, elementCount: shape.reduce(1, &*))
        total += parameters
        if case .codes(let weight) = weights.role(file: number, index: index) {
          shape = weights.weights[weight].shape ?? shape
        }
        guard parameters > 0 else { continue }
        let name = tensors.name(at: index).string
        switch Self.place(name, shape, counts) {
        case .numbered(let list, let expert)?:
          numbered[list, default: (0, [])].parameters += parameters
          numbered[list]?.experts.insert(expert)
        case .stacked(let experts)?: stacked[experts, default: 0] += parameters
        case nil: break
        }
      }
    }
    let lists = numbered.values.map { ($0.parameters, $0.experts.count) } + stacked.map { ($0.value, $0.key) }
    guard !lists.isEmpty else { return nil }
    var active = total
    for (parameters, experts) in lists where experts > chosen {
      active -= parameters - Int((Double(parameters) * Double(chosen) / Double(experts)).rounded())
    }
    count = active
    expertCount = lists.map(\.1).max() ?? 0
    expertsPerToken = chosen
  }

  private enum Place {
    case numbered(list: String, expert: Substring)
    case stacked(experts: Int)
  }

  private static func place(_ name: String, _ shape: [Int], _ counts: Set<Int>) -> Place? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let list = parts.firstIndex(of: "experts"), list + 1 < parts.count else {
      // Granite and JetMoE have no module of that name.
      guard shape.count == 3, let first = shape.first, counts.contains(first),
        parts.contains("input_linear") || parts.contains("output_linear")
      else { return nil }
      return .stacked(experts: first)
    }
    let next = parts[list + 1]
    let digits = next.hasPrefix("expert_") ? next.dropFirst("expert_".count) : next
    if !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }) {
      return .numbered(list: parts[...list].joined(separator: "."), expert: digits)
    }
    guard let first = shape.first else { return nil }
    if shape.count == 3 || counts.contains(first) { return .stacked(experts: first) }
    // DBRX keeps the experts of a layer one below the other.
    guard next == "mlp", shape.count == 2, counts.count == 1, let count = counts.first, count > 0, first % count == 0
    else { return nil }
    return .stacked(experts: count)
  }

  /// Every number that a config has under one of the keys, at any depth.
  private static func collect(_ value: JSONValue, _ keys: Set<String>, _ found: inout Set<Int>, depth: Int = 0) {
    guard depth < 8, case .object(let members) = value else { return }
    for member in members {
      if keys.contains(member.key) {
        if let number = StoredTensorSearch.integer(member.value) { found.insert(number) }
        found.formUnion(StoredTensorSearch.shape(member.value) ?? [])
      } else {
        collect(member.value, keys, &found, depth: depth + 1)
      }
    }
  }
}
