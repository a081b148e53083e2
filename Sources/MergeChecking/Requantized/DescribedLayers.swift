import Checkpoints
import Inspection
import MergePlanning
import Platform
import Safetensors

/// What a result's metadata says of quantized layers, compared with what the merge writes: a reader takes for codes what is described,
/// and for numbers what isn't.
struct DescribedLayers {
  let context: CheckContext

  /// Adds a finding where the description of a layer doesn't fit its tensors.
  func compare(_ report: inout MergeCheck.Report) {
    guard context.plan.quantization?.isToldByFiles == true else { return }
    let expected = ComfyMetadata.layers(context.plan.shards.flatMap(\.metadata))
    let found = ComfyMetadata.layers(context.output.files.flatMap { $0.header.metadata ?? [] })
    let names = Set(expected.keys).union(found.keys).filter { expected[$0] != found[$0] }.sorted()
    guard let first = names.first else { return }
    let others = names.count == 1 ? "" : " (also of \(NumberText.counted(names.count - 1, "more layer")))"
    let what =
      switch (expected[first], found[first]) {
      case (nil, _): "describes \(first), which is not quantized in the merge"
      case (_, nil): "does not describe \(first): ComfyUI would read its codes without the scale"
      default: "does not describe \(first) as the base does"
      }
    report.findings.append(
      Finding(
        "quantization", file: context.output.files.first?.path ?? context.output.path,
        "the metadata \(ComfyMetadata.key) \(what)\(others)"))
  }
}
