import Adapters
import Checkpoints
import LinearAlgebra
import MergePlanning
import Platform
import Safetensors
import Staging
import TileKernels

/// Several adapters made into one, in a temporary folder that goes away with the object.
///
/// The combined adapter is an ordinary one of F32 factors with a scaling of 1 in every module, so that a merge plans,
/// accounts for and reports it like any other. Modules that only some of the adapters have are combined of those.
public final class CombinedAdapter: Sendable {
  public let adapter: Adapter
  /// What a person should know about the combination, and the warnings of the adapters that went into it.
  public let warnings: [String]
  /// Nil: the caller's.
  private let folder: TemporaryFolder?

  /// What is in its folder.
  public static let fileNames = [CombinedConfig.fileName, CombinationWriter.fileName]

  /// Where and how the combination is made.
  public struct Options: Sendable {
    /// An existing folder; the adapter's folder is made in it.
    public var temporaryFolder: String
    /// An existing and empty folder of the caller's for the adapter's own files, in place of one in ``temporaryFolder``.
    public var folder: String?
    /// Threads, at least 1. The result does not depend on it.
    public var workers: Int
    public var kernels: KernelSet
    /// Whether the factors are computed; otherwise they are 0, for a plan that is not carried out.
    public var computes: Bool
    /// Decomposes the updates, where the method needs it; nil: the system's LAPACK is opened then.
    public var decomposer: MatrixDecomposer?
    /// Asks for an end before the last module is combined.
    public var interruption = Interruption.never

    public init(temporaryFolder: String, workers: Int, kernels: KernelSet = .best, computes: Bool = true) {
      self.temporaryFolder = temporaryFolder
      self.workers = max(1, workers)
      self.kernels = kernels
      self.computes = computes
    }
  }

  /// Combines `uses` for a merge into `base`.
  ///
  /// One adapter alone is combined by ``CombinationMethod/linear``, whatever the method, as PEFT does.
  ///
  /// - Throws: ``CombinationError``, or what planning the merge of each adapter throws: an adapter that does not fit the
  ///   base is found before anything is written, and named.
  public init(
    _ uses: [AdapterUse], method: CombinationMethod, base: Checkpoint, planning: MergeOptions, options: Options
  ) throws {
    let used = uses.count == 1 ? CombinationMethod.linear : method
    for use in uses {
      try options.interruption.check()
      _ = try MergePlan(base: base, adapters: [AdapterUse(use.adapter)], options: planning)
    }
    if used == .concatenation { try Self.checkDType(of: base, used) }
    let layout = try CombinationLayout(uses, method: used)
    let config = CombinedConfig(layout)
    let decomposer = try options.decomposer ?? (used.needsDecompositions ? MatrixDecomposer() : nil)
    do throws(CheckpointError) {
      folder = try options.folder == nil ? TemporaryFolder(in: options.temporaryFolder) : nil
    } catch {
      guard case .system(let call, let code) = error.problem else { throw error }
      throw CombinationError(path: options.temporaryFolder, used, .system(call: call, code: code))
    }
    let path = folder?.path ?? options.folder ?? options.temporaryFolder
    try Self.write(config.text, to: Paths.join(path, CombinedConfig.fileName), used)
    try CombinationWriter(
      layout, kernels: options.kernels, decomposer: decomposer, interruption: options.interruption, folder: path
    ).write(workers: options.workers, computes: options.computes)
    adapter = try Adapter(folder: path)
    warnings = uses.flatMap(\.adapter.warnings) + Self.warnings(uses, asked: method, used: used)
    guard adapter.updates.count == layout.modules.count, adapter.updates.allSatisfy({ $0.scaling == 1 }) else {
      throw CombinationError(path: path, used, .inconsistent("the combined adapter is not what was planned"))
    }
  }

  private static func write(_ bytes: [UInt8], to path: String, _ method: CombinationMethod) throws(CombinationError) {
    do throws(SystemCalls.Failure) { try unsafe TemporaryFile(path: path).write(bytes.span.bytes, at: 0) } catch {
      throw CombinationError(path: path, method, .system(call: error.call, code: error.code))
    }
  }

  /// PEFT keeps the factors that `cat` makes in the dtype of the base, and rounds their product to it too.
  private static func checkDType(of base: Checkpoint, _ method: CombinationMethod) throws(CombinationError) {
    for file in base.files {
      for tensor in file.header.tensors where [.f16, .bf16].contains(tensor.dtype) {
        throw CombinationError(path: file.path, tensor: tensor.name.string, method, .roundedBase(tensor.dtype))
      }
    }
  }

  static func warnings(
    _ uses: [AdapterUse], asked method: CombinationMethod, used: CombinationMethod
  ) -> [String] {
    var warnings: [String] = []
    if used != method {
      warnings.append("a single adapter is combined by \"linear\" instead of \"\(method.name)\", as in PEFT")
    }
    if let density = used.density, density >= 1 {
      warnings.append("a density of 1 keeps every element: \"\(used.name)\" drops nothing")
    }
    if case .svd(_, _, _?) = used {
      warnings.append(
        "--svd-clamp depends on signs that LAPACK chooses: PEFT may clamp other elements")
    }
    if used.seed != nil {
      warnings.append(
        "\"\(used.name)\" drops elements at random: the seed makes the merge reproducible, but PEFT drops other elements "
          + "with torch's generator")
    }
    if let use = uses.first(where: { $0.adapter.config.lora?.usesRankStabilizedScaling ?? false }) {
      warnings.append(
        "\(use.adapter.configPath): \"use_rslora\": PEFT up to 0.21.2 scales the combined adapter by an extra square root "
          + "of its rank; safemerge does not")
    }
    return warnings
  }
}
