import Checkpoints
import Platform
import Staging

/// What a model card names: the models that go into a merge, as its readers can find them.
public struct ModelCardRequest: Sendable, Equatable {
  /// A model or an adapter on the hub, or a local one.
  public struct Model: Sendable, Equatable {
    /// `namespace/name` on the hub, else the last component of the path.
    public let name: String
    /// The commit of a model on the hub; nil for a local one.
    public let commit: String?

    /// A local folder or file. The card has its name only: paths of a machine do not belong in a published file.
    public init(path: String) {
      name = Paths.lastComponent(Paths.withoutTrailingSlashes(path))
      commit = nil
    }

    /// A snapshot of a model on the hub.
    public init(_ snapshot: HubCache.Snapshot) {
      name = snapshot.reference.repository
      commit = snapshot.commit
    }
  }

  public let base: Model
  /// In the order of the merge.
  public let adapters: [Model]
  /// The options of the merge that are not the defaults, under their names on the command line.
  public let options: [MergeIdentity.Option]

  public init(base: Model, adapters: [Model], options: [MergeIdentity.Option]) {
    self.base = base
    self.adapters = adapters
    self.options = options
  }
}
