import Checkpoints

extension Checkpoint {
  /// A tensor of the base as a plan reads it: the base's files are the first of its inputs.
  func source(at location: Location) -> MergePlan.Source {
    MergePlan.Source(files[location.file].header, location.index, input: location.file)
  }
}
