/// The ranks and alphas of an adapter: `r`, the field of alpha, and the patterns by which modules have others.
///
/// Source: PEFT 0.21.2 `LoraConfig`, `LoHaConfig`, `get_pattern_key`.
public struct RankSettings: Sendable {
  /// `r`: the rank of every module that ``rankPattern`` does not name. PEFT's default is 8.
  public let rank: Int
  /// The alpha of every module that ``alphaPattern`` does not name; may be zero or negative. PEFT's default is 8.
  public let alpha: Double
  /// Whether the tuner has an alpha.
  let hasAlpha: Bool
  /// `rank_pattern`: ranks by module.
  public let rankPattern: PatternTable<Int>
  /// `alpha_pattern`: alphas by module.
  public let alphaPattern: PatternTable<Double>

  /// - Parameters:
  ///   - alphaField: `lora_alpha`, or what another tuner calls it; nil: the tuner has no alpha.
  ///   - defaultRank: PEFT's.
  init(_ reader: ConfigReader, alphaField: String?, defaultRank: Int = 8) throws(AdapterError) {
    rank = try reader.rank("r") ?? defaultRank
    hasAlpha = alphaField != nil
    if let alphaField { alpha = try reader.number(alphaField) ?? 8 } else { alpha = 1 }
    rankPattern = try reader.patterns("rank_pattern", "an integer of at least 1", ConfigReader.rank)
    // Of a tuner without an alpha there is no such field either.
    alphaPattern = try reader.patterns("alpha_pattern", "a finite number", ConfigReader.number)
  }

  /// The fields that are read, alpha's by the name that the tuner gives it.
  static func fields(alpha: String) -> [ConfigField] {
    [.used("r"), .used(alpha), .used("rank_pattern"), .used("alpha_pattern")]
  }
}

/// The rank and alpha of one module.
struct ModuleStrength {
  let rank: Int
  let alpha: Double
  /// The keys of the patterns that decided them; nil: `r`, and the config's own alpha.
  let rankPattern: String?
  let alphaPattern: String?
}

/// Looks modules up in the patterns, which costs a bounded number of steps, and keeps count of the patterns that are used.
struct RankLookup {
  private let settings: RankSettings
  private let configPath: String
  private var budget: MatchBudget
  /// Of the tables of patterns, by the names of their fields.
  private var memories: [String: PatternAutomaton.Memory] = [:]
  private var usedRanks: [Bool]
  private var usedAlphas: [Bool]

  /// - Parameter budget: What matching patterns against modules may cost.
  init(_ settings: RankSettings, configPath: String, budget: MatchBudget = MatchBudget()) {
    self.settings = settings
    self.configPath = configPath
    self.budget = budget
    usedRanks = [Bool](repeating: false, count: settings.rankPattern.keys.count)
    usedAlphas = [Bool](repeating: false, count: settings.alphaPattern.keys.count)
  }

  /// What a module has.
  mutating func strength(of name: String) throws(AdapterError) -> ModuleStrength {
    let rank = try match(settings.rankPattern, "rank_pattern", name)
    let alpha = try match(settings.alphaPattern, "alpha_pattern", name)
    if let rank { usedRanks[rank] = true }
    if let alpha { usedAlphas[alpha] = true }
    return ModuleStrength(
      rank: rank.map { settings.rankPattern.values[$0] } ?? settings.rank,
      alpha: alpha.map { settings.alphaPattern.values[$0] } ?? settings.alpha,
      rankPattern: rank.map { settings.rankPattern.keys[$0] },
      alphaPattern: alpha.map { settings.alphaPattern.keys[$0] })
  }

  /// The rank that a module would have, without the pattern counting as used.
  mutating func rank(of name: String) throws(AdapterError) -> Int {
    try match(settings.rankPattern, "rank_pattern", name).map { settings.rankPattern.values[$0] } ?? settings.rank
  }

  /// Patterns that decided no module so far.
  var unusedPatterns: [UnusedPattern] {
    zip(usedRanks, settings.rankPattern.keys).filter { !$0.0 }.map { UnusedPattern(field: "rank_pattern", key: $0.1) }
      + zip(usedAlphas, settings.alphaPattern.keys).filter { !$0.0 }
      .map { UnusedPattern(field: "alpha_pattern", key: $0.1) }
  }

  private mutating func match<Value>(
    _ table: PatternTable<Value>, _ field: String, _ name: String
  ) throws(AdapterError) -> Int? {
    do throws(PatternProblem) {
      return try table.firstMatch(name, memory: &memories[field, default: PatternAutomaton.Memory()], budget: &budget)
    } catch { throw AdapterError(path: configPath, .patterns(field: field, error)) }
  }
}
