import Adapters
import ArgumentParser
import Checkpoints
import Checksums
import Inspection
import MergeChecking
import MergeEngine
import MergePlanning
import Merging
import Platform
import Reports
import Safetensors
import Staging
import TileKernels

/// The merge that a result is compared with: from the command line, completed by the record of the merge.
struct ComparedMerge {
  private let against: ReferenceMergeOptions
  private let record: RecordedMerge?
  private let result: ResultOptions
  private let combine: CombineOptions
  private let adapters: [(argument: AdapterArgument, use: AdapterUse)]
  let base: Checkpoint
  /// Which of several variants of the base's weights was merged.
  let variant: String?
  /// Notes about arguments that differ from the record.
  private(set) var notes: [String] = []

  /// - Parameter output: The result, which must exist.
  init(_ against: ReferenceMergeOptions, output: String) throws {
    self.against = against
    record = try RecordedMerge(of: output)
    let variant = against.result.base.variant ?? record?.option("variant")
    base = try ModelArgument(against.against ?? "").read { path in
      try Checkpoint(path: path, workers: Machine.processorCount, variant: variant)
    }
    self.variant = variant
    let given = try against.adapters.map(AdapterArgument.init).map { argument in
      (argument: argument, adapter: try argument.model.read(Adapter.init(path:)))
    }
    guard let record else {
      (result, combine) = (against.result, against.combine)
      adapters = given.map { ($0.argument, AdapterUse($0.adapter, $0.argument.weight)) }
      return
    }
    result = against.result.filled(from: try record.resultOptions())
    try result.validateAll()
    combine = against.combine.method == nil ? try record.combineOptions() : against.combine
    let matched = try RecordedAdapters(record, given)
    adapters = matched.adapters
    notes = matched.notes
    for option in result.recorded {
      guard let value = record.option(option.name), value != option.value else { continue }
      notes.append("--\(option.name) is \(option.value), but \(record.path) has \(value)")
    }
    if let method = against.combine.method, method.rawValue != record.option("combine") {
      notes.append(
        "--combine is \(method.rawValue), but \(record.path) has \(record.option("combine") ?? "none")"
      )
    }
    for (name, header) in record.bases {
      let named = base.files.first { $0.name == name }
      guard let file = named ?? (record.isInFile && base.files.count == 1 ? base.files.first : nil) else {
        notes.append("\(base.path): has no \(name), which \(record.path) lists as a file of the base")
        continue
      }
      if try FileChecksum.of(file.path, expecting: file.header.identity, byteCount: file.header.dataStart) != header {
        notes.append("\(file.path): is not the base file that \(record.path) records: its header differs")
      }
    }
  }

  /// Compares `output` with this merge.
  ///
  /// - Parameters:
  ///   - data: Where verdicts come from.
  ///   - names: The names of the result's files in `data`, by path.
  /// - Throws: The errors of planning and comparing.
  func check(
    _ output: Checkpoint, workers: Int, _ data: CheckedData, _ names: [String: String]
  ) throws -> MergeCheck.Report {
    var options = MergeCheck.Options(workers: workers)
    options.isStochastic = result.round.isStochastic
    // With a record the exact bits are known, unless the result is compared with another merge.
    if against.exact || record != nil && notes.isEmpty && !options.isStochastic { options.hasPromisedBits = true }
    let combined = try combinedAdapter(workers: workers)
    // Its temporary folder is needed until the comparison is done.
    defer { withExtendedLifetime(combined) {} }
    var report = try MergeCheck(
      output, base: base, adapters: combined.map { [AdapterUse($0.adapter)] } ?? adapters.map(\.use),
      planning: result.planning, options: options
    ).run(data, names: names)
    if let method = combine.method, combined != nil {
      report.add(
        note:
          "the adapters were combined by --combine \(method.rawValue) with the same code as in the merge; only the "
          + "merge of the combined adapter was recomputed independently")
    }
    return report
  }

  /// What decides the comparison, apart from the result: options, and the files of base and adapters.
  func identity() -> (options: [String], files: [CheckedFile]) {
    var options = (result.recorded + combine.recorded).map { "\($0.name) \($0.value)" }
    options.append("exact \(against.exact)")
    var files = base.files.map { CheckedFile("base/\($0.name)", $0.path, $0.header.identity) }
    for folder in Set(base.files.map { Paths.folder($0.path) }).sorted() {
      files.append(CheckedFile("base/config.json", Paths.join(folder, "config.json")))
    }
    for (number, (_, use)) in adapters.enumerated() {
      options.append("weight \(use.weights.argument(""))")
      let (adapter, name) = (use.adapter, "adapter \(number + 1)/")
      files.append(
        CheckedFile(name + Paths.lastComponent(adapter.weightsPath), adapter.weightsPath, adapter.header.identity))
      if !adapter.isFile {
        files.append(CheckedFile(name + Paths.lastComponent(adapter.configPath), adapter.configPath))
      }
    }
    return (options, files)
  }

  private func combinedAdapter(workers: Int) throws -> CombinedAdapter? {
    guard let method = combine.combination(result.arithmetic) else { return nil }
    return try CombinedAdapter(
      adapters.map(\.use), method: method, base: base, planning: result.planning,
      options: CombinedAdapter.Options(
        temporaryFolder: CombineOptions.temporaryFolder ?? ProcessEnvironment.temporaryFolder, workers: workers))
  }

  /// The merge that recreates the result.
  func merge(to output: String) throws -> MergeCommand {
    let adapters = adapters.map { $0.use.weights.argument($0.argument.name) }
    var merge = try MergeCommand.parse(["--output", output, "--", against.against ?? ""] + adapters)
    merge.result = result
    merge.combine = combine
    return merge
  }
}

/// The given adapters, in the order and with the weights of the record.
private struct RecordedAdapters {
  private(set) var adapters: [(argument: AdapterArgument, use: AdapterUse)] = []
  private(set) var notes: [String] = []

  init(_ record: RecordedMerge, _ given: [(argument: AdapterArgument, adapter: Adapter)]) throws {
    if given.count != record.adapters.count {
      notes.append(
        "\(NumberText.counted(given.count, "adapter")) given; \(record.path) records \(record.adapters.count)")
    }
    // Matched by content, else by position.
    var places: [Int?] = []
    for (number, (_, adapter)) in given.enumerated() {
      let files = RecordedMerge.AdapterFiles(
        config: adapter.isFile ? nil : try FileChecksum.of(adapter.configPath),
        weights: try FileChecksum.of(adapter.weightsPath, expecting: adapter.header.identity))
      let place = record.adapters.indices.first { record.adapters[$0].files == files && !places.contains($0) }
      places.append(place)
      guard place == nil else { continue }
      notes.append("\(adapter.path): is not adapter \(number + 1) in \(record.path)")
    }
    for (number, (argument, adapter)) in given.enumerated() {
      let isSameCount = given.count == record.adapters.count
      let place = places[number] ?? (isSameCount && !places.contains(number) ? number : nil)
      let recorded = place.map { record.adapters[$0].weight }
      if let weight = argument.givenWeight, let recorded, weight != recorded {
        notes.append(
          "\(argument.name) has the weight \(weight.label), but \(record.path) has \(recorded.label)")
      }
      adapters.append((argument, AdapterUse(adapter, argument.givenWeight ?? recorded ?? AdapterWeight())))
    }
    let order = places.compactMap { $0 }
    guard order.count == given.count, order != order.sorted() else { return }
    adapters = adapters.indices.sorted { order[$0] < order[$1] }.map { adapters[$0] }
  }
}
