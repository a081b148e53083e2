/// The merge was asked to stop, and did.
public struct InterruptedMerge: Error, Equatable {
  public let kept: KeptWork
}
