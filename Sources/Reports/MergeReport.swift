import Adapters
import Checkpoints
import MergeEngine
import MergePlanning
import Platform
import Safetensors
import Staging

/// What a merge did, for people and programs: every module, every changed tensor, and advice.
public struct MergeReport: Sendable, Equatable {
  /// The version of the JSON text's keys.
  public static let schema = 1
  /// A tensor that loses a larger share of its change than this to rounding deserves advice.
  public static let noticeableLoss = 0.1
  /// A low-rank change with a larger norm, relative to the base's, deserves a warning: changes of trained adapters are
  /// one to three orders of magnitude smaller, changes relative to a decomposition's residual base are not.
  public static let suspiciousRatio = 0.3

  /// The merge as requested.
  public struct Request: Sendable, Equatable {
    public struct Adapter: Sendable, Equatable {
      public let path: String
      public let weights: AdapterWeight

      public init(path: String, weight: Double) { self.init(path: path, weights: AdapterWeight(weight)) }

      public init(path: String, weights: AdapterWeight) {
        self.path = path
        self.weights = weights
      }
    }

    /// The program and the versions of its parts.
    public let program: String
    public let base: String
    public let adapters: [Adapter]
    public let output: String
    /// The options that affect the result, as on the command line; not the number of workers or the instruction set.
    public let options: [MergeIdentity.Option]

    public init(program: String, base: String, adapters: [Adapter], output: String, options: [MergeIdentity.Option]) {
      self.program = program
      self.base = base
      self.adapters = adapters
      self.output = output
      self.options = options
    }
  }

  /// A tensor that an adapter changes.
  public struct Tensor: Sendable, Equatable {
    public let name: TensorName
    public let shape: [Int]
    public let statistics: TensorStatistics
    /// The modules that change it, as positions in ``MergeReport/modules``.
    public let modules: [Int]
    /// Whether the change includes a product of two factors, and not only added biases or replaced rows.
    public let isLowRank: Bool
  }

  public let request: Request
  /// The number of tensors for each action.
  public let actionSums: [MergePlan.ActionSum]
  /// The weight files of the result.
  public let shards: [WrittenShard]
  public let modules: [MergePlan.Module]
  /// In the order of the output.
  public let tensors: [Tensor]
  /// Totals over all tensors.
  public let totals: TensorStatistics
  /// Warnings of the plan and of the merge.
  public let warnings: [String]
  /// Advice about rounding loss.
  public let advice: [String]

  /// The report of a completed merge.
  ///
  /// - Parameters:
  ///   - request: The request as typed.
  ///   - plan: The merge's plan.
  ///   - options: The engine's options.
  ///   - outcome: With statistics.
  public init(_ request: Request, plan: MergePlan, options: MergeEngine.Options, outcome: MergeEngine.Outcome) {
    self.request = request
    actionSums = plan.actionSums
    shards = outcome.shards
    modules = plan.modules
    var users: [TensorName: [Int]] = [:]
    for (number, module) in plan.modules.enumerated() {
      for target in module.targets { users[target, default: []].append(number) }
    }
    var lowRank: Set<TensorName> = []
    var shapes: [TensorName: [Int]] = [:]
    for tensor in plan.updatedTensors {
      shapes[tensor.name] = tensor.shape
      let terms = tensor.update.terms
      if terms.contains(where: \.formula.isProduct) { lowRank.insert(tensor.name) }
    }
    tensors = outcome.statistics.compactMap { statistics in
      statistics.name.map { name in
        Tensor(
          name: name, shape: shapes[name] ?? [], statistics: statistics, modules: users[name] ?? [],
          isLowRank: lowRank.contains(name))
      }
    }
    totals = TensorStatistics(sumOf: outcome.statistics)
    warnings =
      plan.warnings + plan.notices.map(\.message) + outcome.notices(plan).map(\.message)
      + outcome.requantizingWarnings(plan)
      + [Self.sizeWarning(tensors)].compactMap { $0 }
    advice = [Self.roundingAdvice(tensors, options.rounding)].compactMap { $0 }
  }

  /// A warning that only the statistics can give: the change is so large that the base is probably not the adapter's.
  public var sizeWarning: String? { Self.sizeWarning(tensors) }

  private static func sizeWarning(_ tensors: [Tensor]) -> String? {
    let ratios = tensors.filter(\.isLowRank).compactMap { tensor in
      tensor.statistics.ratio.map { (name: tensor.name, ratio: $0) }
    }
    let large = ratios.filter { $0.ratio > suspiciousRatio }
    guard let worst = large.max(by: { $0.ratio < $1.ratio }) else { return nil }
    return "\(large.count) of \(ratios.count) tensors change by more than \(ReportNumbers.percent(suspiciousRatio)) of "
      + "the norm of the weights (most: \(worst.name), \(ReportNumbers.percent(worst.ratio))); is this the base that the "
      + "adapter was trained on? Adapters initialized with PiSSA, OLoRA, CorDA or LoftQ may need a residual base"
  }

  private static func roundingAdvice(_ tensors: [Tensor], _ rounding: MergeEngine.Rounding) -> String? {
    let rounded = tensors.filter { $0.statistics.outputDType != .f32 && $0.statistics.codes == nil }
    let losses = rounded.compactMap { tensor in
      tensor.statistics.loss.map { (name: tensor.name, loss: $0) }
    }
    let noticeable = losses.filter { $0.loss > noticeableLoss }
    guard let worst = noticeable.max(by: { $0.loss < $1.loss }) else { return nil }
    let found =
      "rounding lost more than \(ReportNumbers.percent(noticeableLoss)) of the delta in \(noticeable.count) of "
      + "\(tensors.count) tensors (most: \(worst.name), \(ReportNumbers.percent(worst.loss))); "
    switch rounding {
    case .nearest: return found + "--dtype float32 keeps it, --round stochastic:SEED keeps it on average"
    case .stochastic: return found + "stochastic rounding keeps it on average, --dtype float32 keeps all of it"
    }
  }
}
