import Adapters
import Checkpoints
import Dispatch
import MergePlanning
import Platform
import Safetensors
import Staging
import Synchronization

/// A merge from paths to a result, for programs that use this package as a library: the parts of `safemerge merge` in their
/// usual order.
///
/// Making one reads headers and plans; running it computes and writes. The bytes of the result are those that the program
/// writes with the same options. What is interrupted leaves nothing; a run that another one goes on with, or a
/// `.safemerge.json` beside the result, needs ``MergeEngine/run(in:sideFiles:identity:resumes:progress:)``.
public struct ModelMerge: Sendable {
  public let base: Checkpoint
  public let adapters: [AdapterUse]
  /// Every tensor of the output, and what will be done to it.
  public let plan: MergePlan
  /// What goes along with the weights.
  public let sideFiles: SideFiles
  /// Whether the result is a folder.
  private let isFolder: Bool

  /// What happens in a run.
  public enum Event: Sendable, Equatable {
    case progress(MergeProgress)
    /// The result has its name; nothing comes behind it.
    case done(MergeEngine.Outcome)
  }

  /// Plans the merge of adapters into a base.
  ///
  /// - Parameters:
  ///   - base: A folder with a model, its index file, or one safetensors file.
  ///   - adapters: Folders with adapter_config.json and adapter_model.safetensors, each merged with the weight 1.
  ///   - options: What the plan is free to decide.
  ///   - selection: What of the base's folder goes along beyond the rules.
  /// - Throws: An error of `Checkpoint`, `Adapter` or `MergePlan`, each a `ReportableError`.
  public init(
    base: String, adapters: [String], options: MergeOptions = MergeOptions(),
    selection: SideFiles.Selection = SideFiles.Selection()
  ) throws {
    try self.init(
      base: Checkpoint(path: base), adapters: adapters.map { AdapterUse(try Adapter(folder: $0)) }, options: options,
      selection: selection)
  }

  /// Plans the merge of adapters with weights of their own.
  ///
  /// - Throws: `PlanError`, `SeveralTokenizers`, `TokenizerTooLarge`, `CheckpointError`.
  public init(
    base: Checkpoint, adapters: [AdapterUse], options: MergeOptions = MergeOptions(),
    selection: SideFiles.Selection = SideFiles.Selection()
  ) throws {
    self.base = base
    self.adapters = adapters
    if case .atMost = options.fileSizes { isFolder = true } else { isFolder = base.folder != nil }
    plan = try MergePlan(base: base, adapters: adapters, options: options)
    sideFiles = try SideFiles(plan, base: base, adapters: adapters.map(\.adapter), selection: selection)
    _ = try VocabularyCheck(plan, sideFiles)
  }

  /// Writes the result, on the caller's thread and the workers of `options`.
  ///
  /// - Parameters:
  ///   - output: A new folder; a new file that ends in .safetensors where the base is one.
  ///   - options: Workers, and how the result is written and verified.
  ///   - force: Whether a model that is there is replaced.
  ///   - progress: Called from the workers, by one at a time.
  /// - Throws: `CheckpointError`, ``MergeError``, `SafetensorsError`; ``InterruptedMerge`` if the options' interruption
  ///   asked for it. The output is as it was then.
  @discardableResult
  public func run(
    to output: String, options: MergeEngine.Options, force: Bool = false,
    progress: (@Sendable (MergeProgress) -> Void)? = nil
  ) throws -> MergeEngine.Outcome {
    let place = try OutputPlace(
      path: output, base: base, adapters: adapters.map(\.adapter), isFolder: isFolder, force: force)
    return try MergeEngine(plan, options: options).run(to: place, sideFiles: sideFiles, progress: progress)
  }

  /// Writes the result in the background; the last event is ``Event/done(_:)``.
  ///
  /// A consumer that is slower than the merge misses progress, never the end. Leaving the loop, or cancelling its task,
  /// stops the merge, and nothing is written.
  ///
  /// - Parameters: As ``run(to:options:force:progress:)`` has them; the stream throws what it throws.
  public func events(
    to output: String, options: MergeEngine.Options, force: Bool = false
  ) -> AsyncThrowingStream<Event, any Error> {
    AsyncThrowingStream(bufferingPolicy: .bufferingNewest(1)) { continuation in
      let isCancelled = CancellationFlag()
      continuation.onTermination = { reason in
        if case .cancelled = reason { isCancelled.set() }
      }
      var options = options
      let before = options.interruption
      options.interruption = Interruption { isCancelled.isSet || before.isAskedFor }
      DispatchQueue.global().async { [options] in
        do {
          let outcome = try run(to: output, options: options, force: force) { continuation.yield(.progress($0)) }
          continuation.yield(.done(outcome))
          continuation.finish()
        } catch { continuation.finish(throwing: error) }
      }
    }
  }
}

private final class CancellationFlag: Sendable {
  private let flag = Atomic(false)
  var isSet: Bool { flag.load(ordering: .relaxed) }
  func set() { flag.store(true, ordering: .relaxed) }
}
