import Checkpoints
import JSONText
import Platform
import Safetensors

/// Finds faults of the parts of a diffusers pipeline: each is a model in a folder of its own.
struct PipelineInspection {
  let index: PipelineIndex
  /// The pipeline's folder.
  let folder: String

  /// Looks at every part, and adds its weight files to the model, with the part's name before those of its tensors.
  func inspect(_ model: inout InspectedModel, _ log: inout FindingLog) throws {
    for component in index.components {
      let path = Paths.join(folder, component.name)
      let entries: [String]
      do throws(SystemCalls.Failure) { entries = try SystemCalls.entries(ofFolder: path) } catch {
        guard error.code == SystemCalls.noSuchFile else {
          throw CheckpointError(path: path, .system(call: error.call, code: error.code))
        }
        inspectMissing(component, &log)
        continue
      }
      guard !ModelVariant.find(entries, isOfDiffusers: true).isEmpty else {
        inspectWithoutWeights(component, entries, path, &log)
        continue
      }
      var files = WeightFileInspection(
        InspectedModel(path: path, folder: path, isAdapter: false), FindingLog(path: path, folder: path), isPart: true)
      try files.readConfig()
      try files.inspect(entries, indexName: nil)
      log.findings += files.log.findings
      log.notes += files.log.notes
      model.add(files.model.files, ofPart: component.name)
      noteVariants(entries, files.model, path, &log)
    }
    if model.files.isEmpty, log.findings.isEmpty {
      log.findings.append(Finding(CheckpointError(path: folder, .noWeights(others: []))))
    }
  }

  private func inspectMissing(_ component: PipelineIndex.Component, _ log: inout FindingLog) {
    if component.needsWeights {
      let problem = CheckpointError.Problem.missingPart(component.name, className: component.className ?? "")
      log.findings.append(Finding(CheckpointError(path: Paths.join(folder, PipelineIndex.fileName), problem)))
    } else {
      log.find("not-found", component.name, "is missing; \(PipelineIndex.fileName) lists it")
    }
  }

  private func inspectWithoutWeights(
    _ component: PipelineIndex.Component, _ entries: [String], _ path: String, _ log: inout FindingLog
  ) {
    if case .pickleOnly(let name) = WeightSelection.problem(entries) {
      log.notes.append("\(path): \(name) is a Python pickle, which is never opened; not checked")
    } else if component.needsWeights {
      let problem = CheckpointError.Problem.partWithoutWeights(className: component.className ?? "")
      log.findings.append(Finding(CheckpointError(path: path, problem)))
    }
  }

  private func noteVariants(_ entries: [String], _ part: InspectedModel, _ path: String, _ log: inout FindingLog) {
    let variants = ModelVariant.find(entries, isOfDiffusers: part.config?["_class_name"] != nil).map(\.name)
    guard variants.count > 1 else { return }
    log.notes.append(
      "\(path): has several variants of the weights, each of which was checked: \(variants.joined(separator: ", "))")
  }
}
