import Adapters
import Checkpoints
import Checksums
import JSONText
import MergePlanning
import Platform
import Staging

/// A model card for a merged model: README.md as the Hugging Face hub reads it.
///
/// It says which base and adapters went into the model, with which weights and options, and how the result was verified.
/// It has no paths and no times: the same merge gives the same card on every machine.
struct ModelCard {
  /// The card's file in the result.
  static let fileName = "README.md"

  let file: MergePlan.TextFile

  /// - Parameters:
  ///   - request: The models' names and the options.
  ///   - merge: The merge, whose result is published only if it passes the verification that was asked for.
  ///   - title: The name of the result.
  ///   - identity: The inputs with their checksums; nil if nothing is recorded.
  init(_ request: ModelCardRequest, of merge: PreparedMerge, title: String, identity: MergeIdentity?) {
    let source = Source(request: request, merge: merge, identity: identity)
    let lines = source.metadata + ["", "# \(CardText.plain(title))", ""] + source.body
    file = MergePlan.TextFile(name: Self.fileName, text: Array(lines.map { $0 + "\n" }.joined().utf8))
  }
}

/// The parts of the card.
private struct Source {
  let request: ModelCardRequest
  let merge: PreparedMerge
  let identity: MergeIdentity?

  private var uses: [AdapterUse] { merge.request.adapters }

  /// The base's ID on the hub: of the base that was merged, else the base that all adapters name.
  private var hubBase: String? {
    if request.base.commit != nil { return request.base.name }
    guard let name = uses.first?.adapter.baseModelName, uses.allSatisfy({ $0.adapter.baseModelName == name }),
      name.contains("/"), let reference = try? HubReference(name), reference.repository == name
    else { return nil }
    return name
  }

  private var methods: [String] {
    var names: [String] = []
    for name in uses.map(\.adapter.config.methodName) where !names.contains(name) { names.append(name) }
    return names
  }

  /// Lines of YAML, with the lines around them.
  var metadata: [String] {
    var lines = ["---"]
    if let hubBase {
      lines += ["base_model: \(hubBase)", "base_model_relation: \(uses.count > 1 ? "merge" : "finetune")"]
    }
    if case .array? = merge.request.base.config?["architectures"] { lines.append("library_name: transformers") }
    if merge.request.base.layout == .pipeline { lines.append("library_name: diffusers") }
    lines += CardMetadata(cardIn: merge.request.base.folder).inheritedLines
    lines.append("tags:")
    lines += (["merge"] + methods.map { $0.lowercased() } + ["safemerge"]).map { "- \($0)" }
    return lines + ["---"]
  }

  var body: [String] {
    let base = hubBase.map { "[\($0)](https://huggingface.co/\($0))" } ?? CardText.code(request.base.name)
    let what = uses.count == 1 ? "one adapter" : "\(uses.count) adapters"
    let version = merge.request.record.map { " \($0.version)" } ?? ""
    return ["\(base) with \(what) merged into its weights by safemerge\(version).", ""] + adapterTable
      + ["", "## How it was merged", ""] + facts + ["", "## Verification", ""] + verification
  }

  private var adapterTable: [String] {
    let rows = zip(uses, request.adapters).enumerated().map { number, pair in
      let (use, model) = pair
      let cells = [
        name(model), use.adapter.config.methodName, use.weights.label, "\(use.adapter.updates.count)",
        checksum(ofAdapter: number + 1).map(CardText.code) ?? "not recorded",
      ]
      return "| \(cells.joined(separator: " | ")) |"
    }
    return ["| adapter | method | weight | modules | SHA-256 |", "| --- | --- | --- | --- | --- |"] + rows
  }

  /// A link for a model on the hub.
  private func name(_ model: ModelCardRequest.Model) -> String {
    guard let commit = model.commit else { return CardText.code(model.name) }
    return "[\(model.name)](https://huggingface.co/\(model.name)/tree/\(commit))"
  }

  /// The checksum of an adapter's weight file.
  private func checksum(ofAdapter number: Int) -> String? {
    identity?.inputs.first { $0.role == "adapter \(number)" && $0.name.hasSuffix(".safetensors") }?.checksum?
      .description
  }

  private var facts: [String] {
    let sums = merge.plan.actionSums.filter { $0.tensorCount > 0 }
      .map { "\(NumberText.grouped($0.tensorCount)) \($0.action.participle)" }.joined(separator: ", ")
    var lines = ["- base: \(name(request.base))", "- tensors: \(sums)"]
    if let method = merge.request.combination {
      lines.append("- the adapters were combined first, as PEFT's add_weighted_adapter does: \(method.name)")
    }
    let options = request.options.map { CardText.code("--\($0.name) \($0.value)") }
    if !options.isEmpty { lines.append("- options: \(options.joined(separator: ", "))") }
    return lines + ["- the checksums of all inputs and files: `\(ResultMarks.record)`"]
  }

  /// What holds for every result that is published.
  private var verification: [String] {
    let readBack = "Each weight file was read back from the disk and compared with the SHA-256 of what was computed."
    switch merge.request.verification {
    case .full:
      return [
        "Each element of the weights was computed a second time, in double precision by independent code, and compared.",
        readBack,
      ]
    case .read: return [readBack]
    case .none:
      let adapters = zip(uses, request.adapters).map { use, model in
        " --adapter \(use.weights.argument(model.name))"
      }
      return [
        "This command compares each element with the merge, computed in double precision by independent code:", "",
        "```sh", "safemerge check . --against \(request.base.name)\(adapters.joined())".escapingUnprintable, "```",
      ]
    }
  }
}
