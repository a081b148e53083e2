import AdapterWriting
import Adapters
import ArgumentParser
import JSONText
import LinearAlgebra
import MergePlanning
import Merging
import Platform
import Safetensors
import Staging

/// Makes one adapter of several.
struct CombineCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "combine",
    abstract: "Combine several adapters into one.",
    discussion: """
      The output is a PEFT adapter: its update is the weighted sum of the updates, or what PEFT's add_weighted_adapter makes \
      of them with --combine. No base is needed.

      Examples:
        safemerge combine ./style=0.7 ./facts -o ./both
        safemerge combine ./tuned ./unwanted=-1 -o ./difference
        safemerge combine ./style ./facts --combine ties --density 0.5 -o ./both
      """)

  enum Format: String, OutputFormat {
    case text, json
    static let standard = Format.text
  }

  @Argument(
    help: ArgumentHelp(
      "Adapter folders or Hugging Face IDs in the local cache. ADAPTER=0.5 gives the adapter a weight of 0.5.",
      valueName: "adapter"), completion: .directory)
  var adapters: [String]

  @OptionGroup(title: "Output")
  var place: AdapterOutputOptions

  @OptionGroup(title: "Output")
  var dtype: FactorDTypeOptions

  @OptionGroup(title: "Adapters")
  var combine: CombineOptions

  @OptionGroup(title: "Resources")
  var threads: JobOptions

  @OptionGroup(title: "Display")
  var progress: ProgressOptions

  @OptionGroup(title: "Display")
  var format: FormatOptions<Format>

  @OptionGroup(title: "Display")
  var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func validate() throws {
    if place.isFile {
      throw ValidationError("the combined adapter is a folder", hint: "give --output a name without .safetensors")
    }
    if dtype.given == .auto { throw ValidationError("--dtype auto needs one input; the adapters may differ") }
  }

  func run() throws {
    let run = try AdapterRun(
      "combine", output: place, progress: progress, isJSON: format.format == .json, threads: threads)
    let uses = try adapters.map { text in
      let argument = try AdapterArgument(text)
      guard argument.weight.parts.isEmpty else {
        throw ValidationError("weights of parts of a model are for merge", hint: "give each adapter one weight")
      }
      return AdapterUse(try argument.model.read(Adapter.init(path:)), argument.weight)
    }
    let destination = try run.reserve(isFolder: true, adapters: uses.map(\.adapter))
    let combination = try AdapterCombination(
      uses, method: combine.kept, dtype: dtype.dtype(of: uses.map(\.adapter.header)), decomposer: try decomposer(),
      path: place.output ?? "")
    for warning in combination.warnings { run.warn(warning) }
    try run.tell(
      lines(uses, combination), units: combination.units.count, destination,
      members: { event in
        event.list("adapters", uses) { use, event in
          event.member("path", use.adapter.path)
          event.member("weight", use.weight)
          event.member("modules", use.adapter.updates.count)
        }
        event.member("method", combination.method.name)
      })
    if try run.endsDry() { return }
    let outcome = try run.write(combination.units, to: destination, as: identity(uses)) { _ in
      try combination.document()
    }
    try run.finish(outcome)
  }

  private func decomposer() throws -> MatrixDecomposer? {
    guard combine.kept.needsDecompositions else { return nil }
    return try MatrixDecomposer(lapack: ProcessEnvironment.lapack)
  }

  private func identity(_ uses: [AdapterUse]) throws -> MergeIdentity {
    var options = combine.recorded + combine.recordedOfDecomposition
    options.append(.init(name: "dtype", value: (dtype.given ?? .float32).rawValue))
    for (number, use) in uses.enumerated() {
      options.append(.init(name: "weight \(number + 1)", value: use.weights.text))
    }
    return try MergeIdentity(
      command: "combine", version: Safemerge.number, options: options, adapters: uses.map(\.adapter),
      interruption: Signals.interruption)
  }

  private func lines(_ uses: [AdapterUse], _ combination: AdapterCombination) -> [String] {
    var lines = uses.map { use in
      let weight = use.weights.isOne ? "" : ", weight \(use.weights.label)"
      return LabeledLine.text(
        "adapter", "\(use.adapter.path)   \(NumberText.counted(use.adapter.updates.count, "module"))\(weight)")
    }
    let (least, most) = (combination.ranks.lowerBound, combination.ranks.upperBound)
    let copied = combination.copiedTensorCount
    lines.append(
      LabeledLine.text(
        "combine",
        "\(combination.method.name): \(NumberText.counted(combination.units.count, "module")) of rank "
          + (least == most ? "\(least)" : "\(least) to \(most)")
          + (copied > 0 ? ", \(NumberText.counted(copied, "whole tensor"))" : "")))
    return lines
  }
}
