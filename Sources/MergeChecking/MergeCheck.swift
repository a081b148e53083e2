import Adapters
import CPlainArithmetic
import Checkpoints
import MergePlanning
import Safetensors

/// Checks a merged model against the base and the adapters that it was made of, by an independent path: the plan is the
/// merge's, the arithmetic is not.
///
/// Results of other tools are matched by the names of their tensors, however they are split into files.
public struct MergeCheck: Sendable {
  public struct Options: Sendable {
    /// Threads, at least 1. The result does not depend on it.
    public var workers: Int
    /// Whether elements were rounded up or down at random: then each must be one of the two neighbours.
    public var isStochastic = false
    /// Whether the result has to have the very bits of safemerge's arithmetic; nil: if most of its merged tensors have.
    public var hasPromisedBits: Bool?

    public init(workers: Int) { self.workers = max(1, workers) }
  }

  /// What became of one tensor.
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
    /// Nil for tensors that are copied, or not compared.
    public internal(set) var comparison: TensorComparison?
  }

  public struct Report: Sendable {
    /// In the order of the plan.
    public internal(set) var tensors: [TensorResult] = []
    public internal(set) var findings: [Finding] = []
    /// What is worth knowing and no fault.
    public internal(set) var notes: [String] = []
  }

  let plan: MergePlan
  let base: Checkpoint
  let adapters: [AdapterUse]
  let output: Checkpoint
  let options: Options
  let files: OpenFiles
  /// The updates of the same merge with PEFT's roundings, by tensor.
  let updatesOfPEFT: [TensorName: TensorUpdate]

  /// - Parameters:
  ///   - output: The result, of whichever tool.
  ///   - planning: The options that the merge was made with.
  /// - Throws: What planning the merge throws.
  public init(
    _ output: Checkpoint, base: Checkpoint, adapters: [AdapterUse], planning: MergeOptions, options: Options
  ) throws {
    plan = try MergePlan(base: base, adapters: adapters, options: planning)
    self.base = base
    self.adapters = adapters
    self.output = output
    self.options = options
    files = OpenFiles(
      plan.inputs.map { ($0.path, $0.identity) } + output.files.map { ($0.path, $0.header.identity) })
    var updates: [TensorName: TensorUpdate] = [:]
    if planning.arithmetic == .exact {
      var other = planning
      other.arithmetic = .peft
      if let plan = try? MergePlan(base: base, adapters: adapters, options: other) {
        for tensor in plan.updatedTensors { updates[tensor.name] = tensor.update }
      }
    }
    updatesOfPEFT = updates
  }

  /// Compares every tensor.
  ///
  /// - Throws: ``SafetensorsError`` where a file cannot be read or changes meanwhile.
  public func run() throws -> Report {
    var report = Report()
    var pairs = match(&report)
    try compareCopies(&pairs, &report)
    try compareUpdates(&pairs, &report)
    try files.checkUnchanged()
    report.tensors = pairs.map(\.result)
    addFindings(&report)
    return report
  }

  // MARK: - Matching

  /// A tensor of the plan and the one of the result that is to be it.
  struct Pair {
    let planned: MergePlan.Tensor
    let location: Checkpoint.Location
    var result: TensorResult
    /// Nil: it is to be copied.
    let update: TensorUpdate?
  }

  private func match(_ report: inout Report) -> [Pair] {
    var pairs: [Pair] = []
    var names: Set<TensorName> = []
    var otherDTypes: [String: Int] = [:]
    let planned = plan.shards.flatMap(\.tensors)
    for tensor in planned {
      names.insert(tensor.name)
      guard let location = output.location(of: tensor.name) ?? tiedPartner(of: tensor.name, &report) else {
        report.findings.append(
          Finding("missing-tensor", file: output.path, tensor: tensor.name, "is not in the result"))
        continue
      }
      let info = output.tensor(at: location)
      guard info.shape == tensor.shape else {
        report.findings.append(
          Finding(
            "shape", file: output.files[location.file].path, tensor: tensor.name,
            "has the shape \(info.shape); \(tensor.shape) is expected"))
        continue
      }
      var update = tensor.update
      if info.dtype != tensor.outputDType {
        guard PlainArithmetic.type(info.dtype) != nil, PlainArithmetic.type(tensor.weightDType) != nil else {
          report.findings.append(
            Finding(
              "dtype", file: output.files[location.file].path, tensor: tensor.name,
              "is \(info.dtype.name); \(tensor.outputDType.name) is expected"))
          continue
        }
        otherDTypes["\(info.dtype.name) instead of \(tensor.outputDType.name)", default: 0] += 1
        if update == nil, info.dtype != tensor.source.dtype, !tensor.shape.contains(0) {
          update = TensorUpdate(
            rows: tensor.shape.dropLast().reduce(1, *), columns: tensor.shape.last ?? 1, stages: [])
        } else if let only = update, only.stages.isEmpty, only.rowReplacements.isEmpty,
          info.dtype == tensor.source.dtype
        {
          update = nil
        }
      }
      pairs.append(
        Pair(
          planned: tensor, location: location,
          result: TensorResult(
            name: tensor.name, file: output.files[location.file].path, dtype: info.dtype, shape: info.shape,
            isMerged: tensor.update.map { !$0.terms.isEmpty || !$0.rowReplacements.isEmpty } ?? false, verdict: .same),
          update: update))
    }
    for (what, count) in otherDTypes.sorted(by: { $0.key < $1.key }) {
      report.notes.append("\(count) tensors are \(what), and were compared in their own dtype")
    }
    for name in output.tensorNames where !names.contains(name) { addExtra(name, &report) }
    return pairs
  }

  private static func isHead(_ name: TensorName) -> Bool {
    ["lm_head.weight", "embed_out.weight"].contains { name.string == $0 || name.string.hasSuffix("." + $0) }
  }

  private static func isEmbedding(_ name: TensorName) -> Bool {
    ["embed_tokens", "wte", "word_embeddings", "embed_in", "tok_embeddings"].contains {
      name.string == $0 + ".weight" || name.string.hasSuffix(".\($0).weight")
    }
  }

  private var embedding: TensorName? {
    let found = output.tensorNames.filter(Self.isEmbedding)
    return found.count == 1 ? found[0] : nil
  }

  private var tiesEmbeddings: Bool {
    let config = output.config ?? base.config
    return config?["tie_word_embeddings"] == .bool(true)
      || config?["text_config"]?["tie_word_embeddings"] == .bool(true)
  }

  /// The embedding, in place of a head that a tied model leaves out.
  private func tiedPartner(of name: TensorName, _ report: inout Report) -> Checkpoint.Location? {
    guard Self.isHead(name), tiesEmbeddings, let embedding else { return nil }
    report.notes.append("\(name) is left out and tied to \(embedding), which was compared in its place")
    return output.location(of: embedding)
  }

  private func addExtra(_ name: TensorName, _ report: inout Report) {
    guard let location = output.location(of: name) else { return }
    let file = output.files[location.file].path
    if Self.isHead(name), let embedding, let other = output.location(of: embedding), areEqual(location, other) {
      report.notes.append("\(name) is written out; it is \(embedding)")
      return
    }
    report.findings.append(Finding("extra-tensor", file: file, tensor: name, "is neither the base's nor an adapter's"))
  }

  func range(_ location: Checkpoint.Location) -> Range<Int> {
    let header = output.files[location.file].header
    let offsets = header.tensors.dataOffsets(at: location.index)
    return header.dataStart + offsets.lowerBound..<header.dataStart + offsets.upperBound
  }

  /// Where a file of the result is in ``files``.
  func file(_ location: Checkpoint.Location) -> Int { plan.inputs.count + location.file }

  private func areEqual(_ one: Checkpoint.Location, _ other: Checkpoint.Location) -> Bool {
    guard output.tensor(at: one).shape == output.tensor(at: other).shape, range(one).count == range(other).count else {
      return false
    }
    let count = try? differingElements(file(one), range(one), file(other), range(other), elementByteCount: 1)
    return count == 0
  }

  // MARK: - Copies

  private static let pieceByteCount = 4 << 20

  /// How many elements of two equally long ranges differ.
  func differingElements(
    _ one: Int, _ first: Range<Int>, _ other: Int, _ second: Range<Int>, elementByteCount: Int
  ) throws(SafetensorsError) -> Int {
    var left: [UInt8] = []
    var right: [UInt8] = []
    var differing = 0
    for start in stride(from: 0, to: first.count, by: Self.pieceByteCount) {
      let count = min(Self.pieceByteCount, first.count - start)
      try files.read(one, first.lowerBound + start..<first.lowerBound + start + count, into: &left)
      try files.read(other, second.lowerBound + start..<second.lowerBound + start + count, into: &right)
      if PlainArithmetic.areEqual(left, right, count: count) { continue }
      let size = max(1, elementByteCount)
      for place in stride(from: 0, to: count, by: size)
      where left[place..<min(place + size, count)] != right[place..<min(place + size, count)] { differing += 1 }
    }
    return differing
  }

  private func compareCopies(_ pairs: inout [Pair], _ report: inout Report) throws {
    let numbers = pairs.indices.filter { pairs[$0].update == nil }
    let counts = try mapConcurrently(numbers.map { pairs[$0] }) { pair in
      try differingElements(
        pair.planned.source.input, pair.planned.source.range, file(pair.location), range(pair.location),
        elementByteCount: pair.result.dtype.bitCount / 8)
    }
    let hypotheses = FaultHypotheses(plan: plan, adapters: adapters)
    for (number, count) in zip(numbers, counts) where count > 0 {
      let pair = pairs[number]
      pairs[number].result.verdict = .damaged(count: count)
      guard plan.inputs[pair.planned.source.input].isAdapter, let own = base.location(of: pair.planned.name) else {
        continue
      }
      if try isBases(pair, own) {
        pairs[number].result.verdict = .fault(hypotheses.replacementDropped(pair.planned.name))
      }
    }
  }

  /// Whether the tensor of the result is the base's of that name, bit for bit.
  private func isBases(_ pair: Pair, _ own: Checkpoint.Location) throws -> Bool {
    let info = base.tensor(at: own)
    guard info.dtype == pair.result.dtype, info.shape == pair.result.shape else { return false }
    let start = base.files[own.file].header.dataStart
    let source = start + info.dataOffsets.lowerBound..<start + info.dataOffsets.upperBound
    return try differingElements(own.file, source, file(pair.location), range(pair.location), elementByteCount: 1) == 0
  }

  func mapConcurrently<Element: Sendable, Value: Sendable>(
    _ elements: [Element], _ body: @Sendable (Element) throws -> Value
  ) throws -> [Value] {
    let results = ResultStore<Value>(count: elements.count)
    try concurrently(elements.count, workers: options.workers) { results.set($0, try body(elements[$0])) }
    return results.values
  }

  // MARK: - Updates

  private func subject(_ pair: Pair, _ update: TensorUpdate) -> ComparisonSubject? {
    guard let sourceType = PlainArithmetic.type(pair.planned.weightDType),
      let type = PlainArithmetic.type(pair.result.dtype)
    else { return nil }
    return ComparisonSubject(
      name: pair.planned.name, source: pair.planned.source, sourceType: sourceType,
      quantised: pair.planned.quantised, shape: pair.planned.shape, update: update, file: file(pair.location),
      range: range(pair.location), type: type)
  }

  /// Compares with one update, on all threads.
  private func compare(_ pair: Pair, _ update: TensorUpdate, sample: Int? = nil) throws -> TensorComparison? {
    guard let subject = subject(pair, update) else { return nil }
    let job = ComparisonJob(subject, files, isStochastic: options.isStochastic, sample: sample)
    try concurrently(job.pieces.count, workers: options.workers) { try job.compare(piece: $0) }
    return job.comparison
  }

  private func compareUpdates(_ pairs: inout [Pair], _ report: inout Report) throws {
    var jobs: [(pair: Int, job: ComparisonJob)] = []
    for number in pairs.indices {
      guard let update = pairs[number].update else { continue }
      if update.residual != nil {
        pairs[number].result.verdict = .notChecked("a part was taken out of the base by a decomposition")
        continue
      }
      guard update.rows > 0, update.columns > 0, let subject = subject(pairs[number], update) else { continue }
      jobs.append((number, ComparisonJob(subject, files, isStochastic: options.isStochastic)))
    }
    let pieces = jobs.indices.flatMap { job in jobs[job].job.pieces.indices.map { (job, $0) } }
    try concurrently(pieces.count, workers: options.workers) { [jobs] number in
      try jobs[pieces[number].0].job.compare(piece: pieces[number].1)
    }
    var exactCount = 0
    var comparedCount = 0
    for (number, job) in jobs {
      let comparison = job.comparison
      pairs[number].result.comparison = comparison
      guard pairs[number].result.isMerged, comparison.otherBits != nil else { continue }
      comparedCount += 1
      exactCount += comparison.otherBits == 0 ? 1 : 0
    }
    let hasPromisedBits =
      !options.isStochastic && (options.hasPromisedBits ?? (comparedCount > 0 && exactCount * 2 > comparedCount))
    for (number, job) in jobs {
      pairs[number].result.verdict = try verdict(pairs[number], job.comparison, hasPromisedBits: hasPromisedBits)
    }
  }

  private func verdict(_ pair: Pair, _ comparison: TensorComparison, hasPromisedBits: Bool) throws -> Verdict {
    if comparison.otherBits == 0 { return .exact }
    let otherBits = comparison.otherBits ?? 0
    let isOnlyRounded = comparison.beyondBound == 0
    if isOnlyRounded, !hasPromisedBits || comparison.otherBits == nil { return .rounded }
    if let how = try rounding(pair) { return .roundedByPEFT(how) }
    // An order of summing that is another's shows in many elements; damage in few.
    if isOnlyRounded {
      let isOthers = options.hasPromisedBits != true && comparison.isWidespread(otherBits)
      return isOthers ? .rounded : .damaged(count: otherBits)
    }
    if !comparison.isWidespread(comparison.beyondBound), comparison.elementCount >= 1000 {
      return .damaged(count: comparison.beyondBound)
    }
    let fault = try fault(pair)
    if let fault, fault.isStrong { return .fault(fault.fault) }
    if comparison.beyondOneUlp == 0, comparison.isWidespread(comparison.beyondBound), pair.result.dtype != .f32 {
      return .roundedSeveralTimes
    }
    if let fault { return .fault(fault.fault) }
    return comparison.isWidespread(comparison.beyondBound) ? .different : .damaged(count: comparison.beyondBound)
  }

  /// Which of PEFT's roundings give the tensor's bits; nil: none.
  private func rounding(_ pair: Pair) throws -> String? {
    guard let update = updatesOfPEFT[pair.planned.name], update.residual == nil else { return nil }
    var candidates: [(String, TensorUpdate)] = [("as PEFT 0.21.2 does", update)]
    let isRounded = { (stage: TensorUpdate.Stage) in
      stage.intermediate.map {
        TensorUpdate.Intermediate(dtype: $0.dtype, scaling: $0.scaling, roundsDelta: true)
      }
    }
    candidates.append(
      (
        "as PEFT does with safe_merge=True",
        TensorUpdate(
          rows: update.rows, columns: update.columns,
          stages: update.stages.map {
            TensorUpdate.Stage(terms: $0.terms, magnitude: $0.magnitude, intermediate: isRounded($0))
          }, rowReplacements: update.rowReplacements)
      ))
    for (how, candidate) in candidates where candidate != pair.update {
      guard try compare(pair, candidate, sample: Self.sampleRows)?.otherBits == 0 else { continue }
      if try compare(pair, candidate)?.otherBits == 0 { return how }
    }
    return nil
  }

  private static let sampleRows = 32

  /// The known fault that explains every element; whether by roundings alone, or only within one ulp.
  private func fault(_ pair: Pair) throws -> (fault: Fault, isStrong: Bool)? {
    guard let update = pair.update else { return nil }
    let hypotheses = FaultHypotheses(plan: plan, adapters: adapters)
    var best: (fault: Fault, isStrong: Bool, otherwise: Int)?
    func consider(_ fault: Fault, _ comparison: TensorComparison?) {
      guard let comparison, comparison.beyondOneUlp == 0 else { return }
      let isStrong = comparison.beyondBound == 0
      let isBetter = best.map {
        isStrong == $0.isStrong ? comparison.otherwiseRounded < $0.otherwise : isStrong
      }
      if isBetter ?? true { best = (fault, isStrong, comparison.otherwiseRounded) }
    }
    for (fault, changed) in hypotheses.all(pair.planned.name, update) {
      guard try compare(pair, changed, sample: Self.sampleRows)?.beyondOneUlp == 0 else { continue }
      consider(fault, try compare(pair, changed))
    }
    // An adapter's copy of the base's weight may be the base's: its delta is what is missing then.
    if best == nil, plan.inputs[pair.planned.source.input].isAdapter, let own = base.location(of: pair.planned.name),
      try isBases(pair, own)
    {
      return (hypotheses.replacementDropped(pair.planned.name), true)
    }
    return best.map { ($0.fault, $0.isStrong) }
  }

  // MARK: - Telling

  private func addFindings(_ report: inout Report) {
    var faults: [Fault: [TensorResult]] = [:]
    var order: [Fault] = []
    for tensor in report.tensors {
      switch tensor.verdict {
      case .fault(let fault):
        if faults[fault] == nil { order.append(fault) }
        faults[fault, default: []].append(tensor)
      case .damaged(let count): report.findings.append(Self.damage(tensor, count))
      case .different:
        let comparison = tensor.comparison ?? TensorComparison()
        report.findings.append(
          Finding(
            "not-the-merge", file: tensor.file, tensor: tensor.name,
            "\(comparison.beyondBound) of \(comparison.elementCount) elements are not the merge's; no known fault "
              + "explains them" + Self.text(comparison.example)))
      default: continue
      }
    }
    let merged = report.tensors.filter(\.isMerged)
    let unchanged = merged.filter {
      if case .fault(let fault) = $0.verdict {
        [.deltaDropped, .embeddingDropped, .loraBiasDropped].contains(fault)
      } else {
        false
      }
    }
    if !merged.isEmpty, unchanged.count == merged.count {
      report.findings.insert(
        Finding("base-unchanged", file: output.path, "is the base, unchanged: nothing of the adapter was merged"), at: 0
      )
    }
    for fault in order {
      let tensors = faults[fault] ?? []
      guard let first = tensors.first else { continue }
      let others = tensors.count == 1 ? "" : " (and in \(tensors.count - 1) more tensors)"
      report.findings.append(
        Finding(fault.faultClass, file: first.file, tensor: first.name, fault.message + others))
    }
    addNotes(&report)
  }

  private func addNotes(_ report: inout Report) {
    var kinds: [String: Int] = [:]
    for tensor in report.tensors {
      switch tensor.verdict {
      case .roundedByPEFT(let how): kinds["were rounded more than once, \(how): no fault", default: 0] += 1
      case .roundedSeveralTimes:
        kinds["were rounded more than once, all within 1 ulp of the exact result: no fault", default: 0] += 1
      case .notChecked(let why): kinds["were not checked: \(why)", default: 0] += 1
      default: continue
      }
    }
    for (what, count) in kinds.sorted(by: { $0.key < $1.key }) { report.notes.append("\(count) tensors \(what)") }
  }

  private static func damage(_ tensor: TensorResult, _ count: Int) -> Finding {
    let elements = count == 1 ? "1 element is" : "\(count) elements are"
    guard let comparison = tensor.comparison else {
      return Finding("damaged", file: tensor.file, tensor: tensor.name, "\(elements) not those that are copied")
    }
    return Finding(
      "damaged", file: tensor.file, tensor: tensor.name,
      "\(elements) not what the merge gives" + text(comparison.example))
  }

  private static func text(_ example: TensorComparison.Example?) -> String {
    example.map { ": [\($0.row), \($0.column)] is \($0.found), exact \($0.exact)" } ?? ""
  }
}
