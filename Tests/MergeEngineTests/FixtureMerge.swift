import Adapters
import MergePlanning
import Safetensors
import TestSupport

extension FixtureCase {
  /// What a user has to say so that the case is merged.
  var options: MergeOptions {
    var options = MergeOptions()
    options.addsTensors = !newTensors.isEmpty
    if isWrittenApart { options.tied = .split }
    if isAmbiguous { options.expertLayout = .expertMajor }
    return options
  }

  func merge(to output: String, _ change: (inout MergeOptions) -> Void = { _ in }) throws -> TestMerge {
    var options = options
    change(&options)
    return try TestMerge(base: base, adapters: adapters.map { ($0, 1) }, output: output, options: options)
  }

  /// Every tensor that a result must have: those of the file, and the base's that it leaves out.
  func expected(_ path: String) throws -> [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)] {
    var tensors = try loadTensors(path)
    guard isPartial else { return tensors }
    for (name, tensor) in try loadTensors(base) where tensors[name] == nil && !dropped.contains(name.string) {
      tensors[name] = tensor
    }
    return tensors
  }
}
