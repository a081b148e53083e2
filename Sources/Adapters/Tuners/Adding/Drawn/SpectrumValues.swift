import JSONText
import Safetensors

/// What FourierFT and WaveFT have in common: one vector for each module, the values of a transform in places that a seed gives.
struct SpectrumValues: Sendable {
  /// (n).
  let role: FactorRole
  /// `n_frequency`: values of every module that `n_frequency_pattern` does not name.
  private let count: Int
  private let pattern: PatternTable<Int>
  private let seed: Int64
  private let scaling: Double
  private let targets: TargetedModules
  private let configPath: String
  /// Whether the file alone says how many values a module has.
  private let isOpen: Bool

  static let fields: [ConfigField] = [
    .used("n_frequency"), .used("n_frequency_pattern"), .used("scaling"), .used("random_loc_seed"),
    .ignored("init_weights", because: "concerns the start of training"),
  ]

  /// - Parameters:
  ///   - count: PEFT's default of `n_frequency`.
  ///   - scaling: PEFT's default of `scaling`.
  init(_ role: FactorRole, _ reader: ConfigReader, count: Int, scaling: Double, isOpen: Bool = false)
    throws(AdapterError)
  {
    self.role = role
    self.isOpen = isOpen
    configPath = reader.path
    self.count = try reader.rank("n_frequency") ?? count
    pattern = try reader.patterns("n_frequency_pattern", "an integer of at least 1", ConfigReader.rank)
    seed = try reader.seed("random_loc_seed", default: 777)
    self.scaling = try reader.number("scaling") ?? scaling
    targets = try TargetedModules(reader)
  }

  func field(replacing tensor: String) -> String? { targets.field(naming: tensor) }

  func updates(
    of tensors: AdapterTensors, _ transform: Spectrum<Factor>.Transform
  ) throws(AdapterError) -> ModuleUpdates {
    var result = ModuleUpdates()
    var memory = PatternAutomaton.Memory()
    var budget = MatchBudget()
    var used: Set<Int> = []
    for module in try ModuleTensors.all(tensors) {
      let shape = try module.required(role).shape
      guard shape.count == 1 else { throw module.failure(.shape(expected: "(n)", found: shape), at: module[role]) }
      if !isOpen {
        let match: Int?
        do throws(PatternProblem) {
          match = try pattern.firstMatch(module.name.string, memory: &memory, budget: &budget)
        } catch { throw AdapterError(path: configPath, .patterns(field: "n_frequency_pattern", error)) }
        if let match { used.insert(match) }
        try module.check(role, is: [match.map { pattern.values[$0] } ?? count])
      }
      result.updates.append(try update(module, shape[0], transform))
    }
    if !isOpen {
      result.unusedPatterns = pattern.keys.indices.filter { !used.contains($0) }
        .map { UnusedPattern(field: "n_frequency_pattern", key: pattern.keys[$0]) }
    }
    return result
  }

  private func update(
    _ module: ModuleTensors, _ count: Int, _ transform: Spectrum<Factor>.Transform
  ) throws(AdapterError) -> ModuleUpdate {
    let spectrum = Spectrum(
      values: Factor.rowMajor(try module.place(of: role), rows: 1, columns: count), seed: seed, transform, rows: 1,
      columns: count)
    let witness = try module.witness(role)
    var update = ModuleUpdate(
      module: module.name.string, layout: .linear, outFeatures: nil, inFeatures: nil, outWitness: witness,
      inWitness: witness,
      steps: [.add(Addition([Term(rows: 0..<1, columns: 0..<1, .spectral(spectrum), scaling: 1)]))],
      tensorIndices: module.indices(of: [role]))
    update.isFitted = true
    update.scaling = scaling
    return update
  }
}
