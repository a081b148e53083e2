import AdapterWriting
import Adapters
import JSONText
import LinearAlgebra
import MergePlanning
import Platform
import Safetensors
import Staging
import TileKernels

/// Several adapters as one that is kept: what a merge with a ``CombinationMethod`` makes on the way, as an adapter of its own.
///
/// Every module has a scaling of 1. Modules that only some of the adapters have are combined of those. By
/// ``CombinationMethod/concatenation`` a module has the sum of the ranks of its parts, and its update is the sum of theirs:
/// only A is rounded, twice in fp32, by `w` and by `s`.
public struct AdapterCombination: Sendable {
  public let units: [AdapterUnit]
  /// What a person should know about the combination, and the warnings of the adapters that went into it.
  public let warnings: [String]
  /// The method that is used; one adapter alone is combined by ``CombinationMethod/linear``, as PEFT does.
  public let method: CombinationMethod
  /// The least and the largest rank of a module.
  public let ranks: ClosedRange<Int>
  private let layout: CombinationLayout
  private let path: String

  /// Plans the combination.
  ///
  /// - Parameters:
  ///   - uses: The adapters with their weights.
  ///   - method: How they are combined.
  ///   - kernels: The instruction set. The result does not depend on it.
  ///   - dtype: Of the factors: F32, F16 or BF16.
  ///   - decomposer: Decomposes the updates, where the method needs it; nil: the system's LAPACK is opened then.
  ///   - path: The output, for errors.
  /// - Throws: ``CombinationError``, `DecompositionError`.
  public init(
    _ uses: [AdapterUse], method: CombinationMethod, dtype: DType = .f32, kernels: KernelSet = .best,
    decomposer: MatrixDecomposer? = nil, path: String
  ) throws {
    let used = uses.count == 1 && method != .concatenation ? CombinationMethod.linear : method
    let layout = try CombinationLayout(uses, method: used, padsRanks: false)
    self.layout = layout
    self.path = path
    self.method = used
    let ranks = layout.modules.map(\.rank)
    self.ranks = (ranks.min() ?? 1)...(ranks.max() ?? 1)
    warnings = uses.flatMap(\.adapter.warnings) + CombinedAdapter.warnings(uses, asked: method, used: used)
    let factors = try CombinationFactors(
      layout, kernels: kernels,
      decomposer: try decomposer ?? (used.needsDecompositions ? MatrixDecomposer() : nil), requiresFinite: true)
    units = layout.modules.map { module in
      AdapterUnit(
        name: module.patternName, cost: (module.shapeA.reduce(1, &*) + module.shapeB.reduce(1, &*)) * module.parts.count
      ) {
        var tensors: [AdapterTensor] = []
        try factors.forEach(of: module) { place, values in
          tensors.append(
            try AdapterTensor(
              name: place == 0 ? module.nameA : module.nameB, dtype: dtype,
              shape: place == 0 ? module.shapeA : module.shapeB, values: values, kernels: kernels, path: path))
        }
        return AdapterUnit.Result(tensors: tensors)
      }
    }
  }

  /// How many tensors are taken over from the adapters as they are.
  public var copiedTensorCount: Int { layout.copies.count }

  /// What else belongs to the adapter.
  public func document() throws -> AdapterDocument {
    var document = AdapterDocument()
    document.texts = [(CombinedConfig.fileName, CombinedConfig(layout).text + [UInt8(ascii: "\n")])]
    document.copies = try layout.copies.map { copy in
      let adapter = layout.uses[copy.adapter].adapter
      return try CopiedTensor(
        name: copy.name, adapter.header.tensors[copy.tensor], path: adapter.weightsPath, header: adapter.header)
    }
    let (count, path) = (layout.modules.count, path)
    let method = layout.method
    document.judge = { folder in
      let adapter = try Adapter(folder: folder)
      guard adapter.updates.count == count, adapter.updates.allSatisfy({ $0.scaling == 1 }) else {
        throw CombinationError(path: path, method, .inconsistent("the combined adapter is not what was planned"))
      }
    }
    return document
  }
}
