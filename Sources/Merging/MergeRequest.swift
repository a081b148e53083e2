import Adapters
import Checkpoints
import MergeEngine
import MergePlanning
import Platform
import Staging

/// A merge as it is asked for: what goes in, what is to be done, and where the result goes.
///
/// The one way from there to a result is ``prepare(in:warn:)``, which reads headers, plans and checks everything that can be
/// checked before work, and ``PreparedMerge/run(as:progress:)``, which computes and writes. The program, other programs that
/// use this package and the tests all go it.
public struct MergeRequest: Sendable {
  public var base: Checkpoint
  /// In the order in which they are merged, with their weights.
  public var adapters: [AdapterUse]
  /// What the plan is free to decide.
  public var planning = MergeOptions()
  /// How the adapters become one before they are merged; nil: their exact weighted sum is merged.
  public var combination: CombinationMethod?
  /// What of the base's folder goes along beyond the rules.
  public var sideFiles = SideFiles.Selection()
  /// Workers, rounding, and how the result is written. What ``verification`` and ``memoryLimit`` need is added to it.
  public var engine = MergeEngine.Options(workers: Machine.processorCount)
  /// Bytes that the merge may hold; nil: what it takes.
  public var memoryLimit: Int?
  /// The LAPACK to open where something is decomposed, a path or a name; nil: the system's.
  public var lapack: String?

  /// The new folder; a new file that ends in .safetensors where the base is one. Nil: nothing is written.
  public var output: String?
  /// Whether the output is checked, and nothing is computed nor written.
  public var isDryRun = false
  /// Whether a model that is there is replaced.
  public var force = false
  /// Whether the adapters are taken out of a model that they were merged into: their weights are negative ones, only sums are
  /// allowed, and what merging them again would make of the result is counted.
  public var isUnmerge = false
  /// Whether it is only a part of the merge, or the making of the result from all parts; nothing is locked then.
  public var isInParts = false
  /// Whether the place of a merge to the same output is taken that is not seen to be running on this machine.
  public var breaksLock = false
  /// Where a report of the merge is to be written by whoever asks for it; checked like the output.
  public var report: String?
  /// Folders and files, beyond the inputs, in which nothing may be written.
  public var protectedPaths: [String] = []
  /// A folder for the factors of combined adapters; nil: beside the output, or the system's where nothing is written.
  public var temporaryFolder: String?

  /// Whether the merge resumes the work of an interrupted one with the same inputs and options.
  public var resumes = true
  public var verification = Verification.none
  /// What is written down of the merge beside its result; nil: nothing, and nothing is kept of an interrupted merge.
  public var record: Record?
  /// What the result's model card names; nil: no card is written.
  public var modelCard: ModelCardRequest?
  /// What is odd about the inputs by the judgement of whoever chose them; told before the warnings of the plan.
  public var warnings: [String] = []

  /// How a result is verified before it is moved into place.
  public enum Verification: String, Sendable, CaseIterable {
    case none
    /// Every weight file is read from the disk again, and its SHA-256 compared with that of what was written.
    case read
    /// Besides, the merge is computed again by an independent path.
    case full
  }

  /// What a record says of the program that merged and of how it was asked to.
  public struct Record: Sendable, Equatable {
    /// The program's version.
    public var version: String
    /// Every option that decides bytes of the result, without the adapters' weights and the LAPACK, which are added.
    public var options: [MergeIdentity.Option]

    public init(version: String, options: [MergeIdentity.Option]) {
      self.version = version
      self.options = options
    }
  }

  /// What the record of a result says, as the option `command`, of adapters that were taken out.
  public static let unmergeCommand = FileProvenance.unmergeCommand

  /// A request for adapters with weights of their own.
  public init(base: Checkpoint, adapters: [AdapterUse], output: String? = nil) {
    self.base = base
    self.adapters = adapters
    self.output = output
  }

  /// A request for what is found at paths.
  ///
  /// - Parameters:
  ///   - base: A folder with a model, its index file, or one safetensors file.
  ///   - adapters: Folders with adapter_config.json and adapter_model.safetensors, or safetensors files, each merged with the
  ///     weight 1.
  ///   - output: See ``output``.
  /// - Throws: An error of `Checkpoint` or `Adapter`, each a `ReportableError`.
  public init(base: String, adapters: [String], output: String? = nil) throws {
    self.init(
      base: try Checkpoint(path: base), adapters: try adapters.map { AdapterUse(try Adapter(path: $0)) },
      output: output)
  }

  /// Whether the result is a folder.
  var resultIsFolder: Bool {
    if case .atMost = planning.fileSizes { true } else { base.folder != nil }
  }

  /// Checks that the output may be written and locks it; nothing is computed for one that is taken or cannot be.
  ///
  /// - Throws: `CheckpointError`.
  public func reserve() throws -> ReservedOutput { try ReservedOutput(self) }

  /// Plans the merge and checks all that can be checked before it is carried out.
  ///
  /// - Parameters:
  ///   - reserved: What ``reserve()`` returned.
  ///   - warn: Called with what a person should know, and its kind where it has one; also before an error that may follow
  ///     from it.
  /// - Throws: `PlanError`, ``CombinationError``, `SeveralTokenizers`, `TokenizerTooLarge`, ``ModelCardError``, `CheckpointError`, `MergeError`:
  ///   each a `ReportableError`.
  public func prepare(
    in reserved: ReservedOutput, warn: (_ message: String, _ kind: MergeWarning.Kind?) -> Void = { _, _ in }
  ) throws -> PreparedMerge {
    try PreparedMerge(self, in: reserved, warn: warn)
  }

  /// Reserves the output and plans the merge.
  public func prepare() throws -> PreparedMerge { try prepare(in: reserve()) }
}
