/// The work was asked to stop, and did.
public struct InterruptedMerge: Error, Equatable {
  public let kept: KeptWork

  package init(kept: KeptWork) { self.kept = kept }
}
