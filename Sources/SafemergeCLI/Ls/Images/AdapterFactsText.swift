import Adapters
import ImageModels
import JSONText
import Platform
import Safetensors

/// The facts of an adapter that is one file as lines: a label and a text each. What the file does not state has no line.
struct AdapterFactsText {
  let lines: [(label: String, text: String)]

  /// Values of which each is shown with the number of its modules.
  private static let valueLimit = 6

  init(_ facts: AdapterFacts) {
    let training = facts.file.training
    var lines: [(label: String, text: String)] = []
    func add(_ label: String, _ parts: [String?], separator: String = ", ") {
      let text = parts.compactMap { $0 }.joined(separator: separator)
      if !text.isEmpty { lines.append((label, text.escapingUnprintable)) }
    }
    add("method", facts.file.methods.map { "\($0.name) in \(NumberText.counted($0.count, "module"))" })
    add("dialect", [facts.file.dialect])
    add("model", [Self.model(facts.model)])
    add("parts", facts.model.parts.map { "\($0.part.name) \(NumberText.counted($0.moduleCount, "module"))" })
    if facts.ranks.contains(where: { $0.value != nil }) {
      add("rank", [Self.values(facts.ranks) { $0.map(NumberText.grouped) ?? "none" }])
      add("alpha", [Self.values(facts.alphas) { $0.map(NumberText.number) ?? "none" }])
    }
    add("dtype", facts.dtypes.map { "\($0.dtype.name) \(NumberText.counted($0.tensors, "tensor"))" })
    add("title", [training.title])
    add("base", [training.baseModelName, training.baseModelVersion, training.architecture], separator: "; ")
    add("trigger", [training.triggerPhrase])
    add("usage", [training.usageHint])
    let others = training.tagCount - training.tags.count
    add(
      "tags",
      training.tags.map { "\($0.name) (\(NumberText.grouped($0.count)))" }
        + [others > 0 ? "and \(NumberText.grouped(others)) more" : nil])
    add("training", Self.training(training))
    add("network", Self.network(training))
    add("author", [training.author, training.license.map { "license \($0)" }])
    for hash in training.hashes { add("hash", ["\(hash.key) \(hash.value)", hash.meaning]) }
    self.lines = lines
  }

  private static func model(_ model: AdapterModel) -> String {
    if model.diffusionCount == 0 { return "text encoders only" }
    guard let last = model.architectures.last else { return "no known image or video model has these names" }
    let others = model.architectures.dropLast()
    let names = others.isEmpty ? last : "\(others.joined(separator: ", ")) or \(last)"
    return model.namedCount == model.diffusionCount
      ? "\(names), by the names of its modules"
      : "\(names), by \(NumberText.grouped(model.namedCount)) of \(NumberText.counted(model.diffusionCount, "name"))"
  }

  private static func values<Value>(
    _ counts: [AdapterFacts.Count<Value>], _ text: (Value) -> String
  ) -> String {
    if counts.count == 1 { return text(counts[0].value) }
    let shown = counts.prefix(valueLimit).map { "\(text($0.value)) in \(NumberText.counted($0.modules, "module"))" }
    let others = counts.count - shown.count
    return (shown + (others > 0 ? ["and \(NumberText.counted(others, "other value"))"] : [])).joined(separator: ", ")
  }

  private static func training(_ facts: TrainingFacts) -> [String?] {
    [
      facts.steps.map { "\($0) steps" }, facts.epochs.map { "\($0) epochs" }, facts.images.map { "\($0) images" },
      facts.resolution.map { "resolution \($0)" }, facts.learningRate.map { "learning rate \($0)" },
      facts.unetLearningRate.map { "of the unet \($0)" },
      facts.textEncoderLearningRate.map { "of the text encoders \($0)" }, facts.optimizer,
      facts.predictionType.map { "prediction \($0)" },
      facts.software.map { "by \($0)" }, facts.date,
    ]
  }

  private static func network(_ facts: TrainingFacts) -> [String?] {
    [
      facts.networkModule, facts.rank.map { "dim \($0)" }, facts.alpha.map { "alpha \($0)" },
      facts.networkArguments.map { "arguments \($0)" },
    ]
  }
}
