import CPlainArithmetic
import Checkpoints
import Inspection
import MergePlanning
import Platform
import Safetensors

/// Matches the tensors of the result with those of the plan.
struct TensorMatching {
  let context: CheckContext
  /// The result's embeddings and heads.
  let vocabulary: VocabularyTensors

  /// Matches all tensors of the plan, and adds what is missing or too much to the report.
  ///
  /// - Parameter data: Where it comes from whether tensors of the result are equal.
  func match(_ data: CheckedData, _ report: inout MergeCheck.Report) throws -> [CheckedPair] {
    var pairs: [CheckedPair] = []
    var names: Set<TensorName> = []
    var otherDTypes: [String: Int] = [:]
    let planned = context.plan.shards.flatMap(\.tensors)
    for tensor in planned {
      names.insert(tensor.name)
      guard let location = context.output.location(of: tensor.name) ?? tiedPartner(of: tensor, &report) else {
        if !report.findings.contains(where: { $0.findingClass == "tied" && $0.tensor == tensor.name }) {
          report.findings.append(
            Finding("missing-tensor", file: context.output.path, tensor: tensor.name, "is not in the result"))
        }
        continue
      }
      let info = context.output.tensor(at: location)
      guard info.shape == tensor.shape else {
        report.findings.append(
          Finding(
            "shape", file: context.output.files[location.file].path, tensor: tensor.name,
            "has the shape \(info.shape); \(tensor.shape) is expected"))
        continue
      }
      var update = tensor.update
      if info.dtype != tensor.outputDType {
        guard PlainArithmetic.type(info.dtype) != nil, PlainArithmetic.type(tensor.content.weight.dtype) != nil else {
          report.findings.append(
            Finding(
              "dtype", file: context.output.files[location.file].path, tensor: tensor.name,
              "is \(info.dtype.name); expected \(tensor.outputDType.name)"))
          continue
        }
        otherDTypes["\(info.dtype.name) instead of \(tensor.outputDType.name)", default: 0] += 1
        if update == nil, info.dtype != tensor.source.dtype, !tensor.shape.contains(0) {
          update = TensorUpdate(roundingOnly: tensor.shape)
        } else if update?.changesElements == false, info.dtype == tensor.source.dtype {
          update = nil
        }
      }
      pairs.append(
        CheckedPair(
          planned: tensor, location: location,
          result: MergeCheck.TensorResult(
            name: tensor.name, file: context.output.files[location.file].path, dtype: info.dtype, shape: info.shape,
            isMerged: tensor.isMerged, verdict: .same),
          update: update))
    }
    for (what, count) in otherDTypes.sorted(by: { $0.key < $1.key }) {
      report.notes.append("\(NumberText.counted(count, "tensor")) compared as \(what)")
    }
    for name in context.output.tensorNames where !names.contains(name) { try addExtra(name, data, &report) }
    try findTies(data, &report)
    return pairs
  }

  /// The tensor that a tied model keeps in place of one that is left out; nil: the model keeps no such tensor, or the two must differ,
  /// which is a finding.
  private func tiedPartner(of tensor: MergePlan.Tensor, _ report: inout MergeCheck.Report) -> Checkpoint.Location? {
    let name = tensor.name
    guard let absent = vocabulary.absent(name), let stored = vocabulary.group(of: absent)?.stored else { return nil }
    let planned = context.plan.shards.lazy.flatMap(\.tensors).first { $0.name == stored }
    guard planned.map({ $0.content == tensor.content }) ?? true else {
      report.findings.append(
        Finding(
          "tied", file: context.output.path, tensor: name,
          "is missing and tied to \(stored), but the adapter makes them differ: the result does not compute what base and "
            + "adapter compute"))
      return nil
    }
    report.notes.append("\(name) is missing and tied to \(stored), which was compared instead")
    return context.output.location(of: stored)
  }

  /// Tensors that are apart, and that config.json ties: programs do not agree which of them is used.
  func findTies(_ data: CheckedData, _ report: inout MergeCheck.Report) throws {
    // Without a config.json of its own a result does not say what it ties.
    guard context.output.config != nil else { return }
    for group in vocabulary.groups where group.isTied && group.canBeUntied {
      guard let stored = context.output.location(of: group.stored) else { continue }
      for name in group.present where name != group.stored {
        guard let location = context.output.location(of: name), try !areEqual(stored, location, data) else { continue }
        report.findings.append(
          Finding(
            "tied", file: context.output.path, tensor: name,
            "differs from \(group.stored), although config.json ties them: programs disagree on which one to use"))
      }
    }
  }

  /// Whether two tensors of the result have the same shape and bytes; false where another part of the check finds out.
  private func areEqual(
    _ one: Checkpoint.Location, _ other: Checkpoint.Location, _ data: CheckedData
  ) throws -> Bool {
    let key = "equal \(one.file)/\(one.index) \(other.file)/\(other.index)"
    return try data.value(key, of: CheckedData.wholeModel, .truth) { context.areEqual(one, other) } ?? false
  }

  private func addExtra(_ name: TensorName, _ data: CheckedData, _ report: inout MergeCheck.Report) throws {
    guard let location = context.output.location(of: name) else { return }
    let file = context.output.files[location.file].path
    let others = vocabulary.group(of: name)?.present.filter { $0 != name } ?? []
    if let other = try others.first(where: { other in
      try context.output.location(of: other).map { try areEqual(location, $0, data) } ?? false
    }) {
      report.notes.append("\(name) is stored although it equals \(other)")
      return
    }
    report.findings.append(Finding("extra-tensor", file: file, tensor: name, "is in neither the base nor an adapter"))
  }
}

extension MergePlan.Tensor {
  /// Whether an adapter changes elements of the tensor.
  var isMerged: Bool { update?.changesElements ?? false }
}
