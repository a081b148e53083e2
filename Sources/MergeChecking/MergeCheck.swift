import Adapters
import Checkpoints
import Inspection
import MergePlanning
import Platform
import Safetensors

/// Checks a merged model against the base and the adapters that it was made of, by an independent path: the plan is the
/// merge's, the arithmetic is not.
///
/// Results of other tools are matched by the names of their tensors, however they are split into files.
public struct MergeCheck: Sendable {
  public struct Options: Sendable {
    /// Threads, at least 1. The result does not depend on it.
    public var workers: Int
    /// Whether elements were rounded up or down at random: then each must be one of the two neighbors.
    public var isStochastic = false
    /// Whether the result has to have the very bits of safemerge's arithmetic; nil: if most of its merged tensors have.
    public var hasPromisedBits: Bool?
    /// Asks for an end before the work is done.
    public var interruption = Interruption.never

    public init(workers: Int) { self.workers = max(1, workers) }
  }

  /// The verdict on one tensor.
  public enum Verdict: Sendable, Equatable {
    /// Not merged, and byte for byte the base's or the adapter's.
    case same
    /// Every element has the bits that the merge promises.
    case exact
    /// Other bits, and none farther from the exact result than roundings of fp32 steps explain.
    case rounded
    /// The bits of PEFT, which rounds more than once; how.
    case roundedByPEFT(String)
    /// Within one ulp of the exact result, but in many elements rounded more than once.
    case roundedSeveralTimes
    /// The bits of a known fault.
    case fault(Fault)
    /// So many elements are not what they should be.
    case damaged(count: Int)
    /// Nothing known.
    case different
    /// Why nothing can be said.
    case notChecked(String)

    public var isFinding: Bool {
      switch self {
      case .same, .exact, .rounded, .roundedByPEFT, .roundedSeveralTimes, .notChecked: false
      case .fault, .damaged, .different: true
      }
    }
  }

  public struct TensorResult: Sendable {
    public let name: TensorName
    /// The file of the result.
    public let file: String
    public let dtype: DType
    public let shape: [Int]
    public let isMerged: Bool
    public internal(set) var verdict: Verdict
    /// The verdict if the result need not have the bits of safemerge's arithmetic; nil: the same one, or it is known whether it has to.
    var verdictWithoutBits: Verdict?
    /// Nil for tensors that are copied, or not compared.
    public internal(set) var comparison: TensorComparison?
  }

  public struct Report: Sendable {
    /// In the order of the plan, those that the result has in the right shape.
    public internal(set) var tensors: [TensorResult] = []
    /// Tensors that the merge changes, whether the result has them or not, and those that it copies.
    public internal(set) var mergedCount = 0
    public internal(set) var copiedCount = 0
    public internal(set) var findings: [Finding] = []
    /// Informational messages, which are no faults.
    public internal(set) var notes: [String] = []

    /// Adds what the caller knows of the merge and is no fault.
    public mutating func add(note: String) { notes.append(note) }
  }

  private let context: CheckContext
  private let matching: TensorMatching
  private let updates: UpdateComparison
  /// What was assumed of the merge.
  private let assumptions: [String]

  /// - Parameters:
  ///   - output: The result, of whichever tool.
  ///   - planning: The options that the merge was made with.
  /// - Throws: What planning the merge throws.
  public init(
    _ output: Checkpoint, base: Checkpoint, adapters: [AdapterUse], planning: MergeOptions, options: Options
  ) throws {
    var planning = planning
    var assumptions: [String] = []
    let plan: MergePlan
    do { plan = try MergePlan(base: base, adapters: adapters, options: planning) } catch let error as PlanError {
      // What base and adapter compute, which is what a result is measured by, has them apart.
      guard planning.tied == .refuse, error.errorClass == "tied" else { throw error }
      planning.tied = .split
      plan = try MergePlan(base: base, adapters: adapters, options: planning)
      assumptions.append("\(error.message): compared with what --tied split writes")
    }
    self.assumptions = assumptions
    context = CheckContext(plan, base: base, adapters: adapters, output: output, options)
    matching = TensorMatching(
      context: context,
      vocabulary: VocabularyTensors(
        config: output.config ?? base.config, names: output.tensorNames,
        task: adapters.compactMap(\.adapter.config.taskType).first, bringsHead: planning.addsTensors))
    var updates: [TensorName: TensorUpdate] = [:]
    if planning.arithmetic == .exact {
      var other = planning
      other.arithmetic = .peft
      if let plan = try? MergePlan(base: base, adapters: adapters, options: other) {
        for tensor in plan.updatedTensors { updates[tensor.name] = tensor.update }
      }
    }
    self.updates = UpdateComparison(context: context, updatesOfPEFT: updates)
  }

  /// Compares every tensor.
  ///
  /// - Throws: ``SafetensorsError`` where a file cannot be read or changes meanwhile; ``Interrupted``.
  public func run() throws -> Report { try run(CheckedData(), names: [:]) }

  /// Compares tensors, or takes over how others compared them.
  ///
  /// - Parameters:
  ///   - data: Where verdicts come from. A part of a check has a report without the others' tensors.
  ///   - names: The names of the result's files in `data`, by path; a file without one belongs to the whole model.
  /// - Throws: ``SafetensorsError`` where a file cannot be read or changes meanwhile; ``Interrupted``; `CheckRecordError`.
  package func run(_ data: CheckedData, names: [String: String]) throws -> Report {
    var report = Report()
    report.notes += assumptions
    var pairs = try matching.match(data, &report)
    let division = PairDivision(pairs, context, data, names: names)
    if data.isRecorded {
      try division.take(&pairs)
      updates.settle(&pairs)
    } else {
      try CopyComparison(context: context).compare(&pairs, division.own)
      try updates.compare(&pairs, division.own, isWhole: data.isWhole)
      division.keep(pairs)
    }
    DescribedLayers(context: context).compare(&report)
    try context.files.checkUnchanged()
    report.tensors = pairs.map(\.result)
    let planned = context.plan.shards.flatMap(\.tensors)
    report.mergedCount = planned.count(where: \.isMerged)
    report.copiedCount = planned.count - report.mergedCount
    report.addFindings(output: context.output.path)
    return report
  }
}
