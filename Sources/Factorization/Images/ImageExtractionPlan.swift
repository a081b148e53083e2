import AdapterWriting
import Adapters
import Checkpoints
import ImageModels
import MergePlanning
import Safetensors

/// How an adapter, one file in ComfyUI's dialect, is made of a base and a tuned image or video model.
///
/// A plan reads headers and compares the bytes of what has no name in the dialect; parameters are read by its units.
public struct ImageExtractionPlan: ExtractedAdapter {
  public let units: [AdapterUnit]
  public private(set) var leftOut: [String]
  public let unselected: [String]
  /// The tuned model, for errors.
  private let path: String

  /// Whether a model is read as an image or video model.
  public static func reads(_ model: Checkpoint) -> Bool {
    model.layout == .pipeline || model.imageArchitecture != nil
  }

  /// Matches the models and decides about every parameter.
  ///
  /// - Throws: ``FactorizationError``; `FileError` for what cannot be read.
  public init(base: Checkpoint, tuned: Checkpoint, _ options: ExtractionOptions) throws {
    let sides = try [base, tuned].map { model in
      ImageSide(
        try StoredSide(model, kernels: options.kernels), try Self.image(model), kernels: options.kernels)
    }
    try self.init(sides[0], sides[1], path: tuned.path, options)
  }

  /// Plans the merge of an adapter of any kind, and decides about every parameter that it would change: the result is the adapter as
  /// a LoRA.
  ///
  /// - Throws: ``FactorizationError``; what planning a merge throws.
  public init(base: Checkpoint, adapter: Adapter, _ options: ExtractionOptions) throws {
    let names = try LiveParameters(of: base)
    let stored = try StoredSide(base, names, kernels: options.kernels)
    let merged = try MergedSide(adapter, into: stored, names, kernels: options.kernels)
    let image = try Self.image(base)
    let shapes = Dictionary(stored.parameters.map { ($0.tensor.name, $0.tensor.shape) }) { first, _ in first }
    // Weights that the adapter widens.
    var misshapen: [TensorName] = []
    for tensor in merged.parameters.map(\.tensor) {
      guard let shape = shapes[tensor.name], shape != tensor.shape else { continue }
      guard options.leavesOutOthers else {
        throw FactorizationError(
          path: adapter.weightsPath, tensor: tensor.name.string, .shape(base: shape, tuned: tensor.shape))
      }
      misshapen.append(tensor.name)
    }
    try self.init(
      ImageSide(stored, image, kernels: options.kernels), ImageSide(merged, image, kernels: options.kernels),
      without: misshapen, path: adapter.weightsPath, options)
  }

  private static func image(_ model: Checkpoint) throws(FactorizationError) -> ImageModel {
    if let image = model.imageModel { return image }
    throw FactorizationError(
      path: model.path,
      .kind(
        "another kind of model beside an image or video model", hint: "give two models of the same architecture"))
  }

  /// - Parameter misshapen: Tensors that are left out.
  private init(
    _ one: ImageSide, _ other: ImageSide, without misshapen: [TensorName] = [], path: String,
    _ options: ExtractionOptions
  ) throws {
    self.path = path
    leftOut = misshapen.map(\.string)
    guard one.image.architecture == other.image.architecture else {
      throw FactorizationError(
        path: path, .architecture(base: one.image.architecture, tuned: other.image.architecture))
    }
    let pairing = try ImagePairing(base: one, tuned: other)
    let skipped = Set(misshapen)
    let chosen = pairing.parameters.filter { parameter in
      if parameter.tuned.runs.contains(where: { skipped.contains($0.tensor) }) { return false }
      if case .nothing? = other.change(of: parameter.tuned) { return false }
      return options.selects(parameter.module)
    }
    unselected = pairing.parameters.filter { !options.selects($0.module) }.map(\.module).uniqued
    units = chosen.map { ImageExtraction($0, base: one, tuned: other, options).unit }
    if chosen.isEmpty { throw FactorizationError(path: path, .nothingTargeted) }
    try leaveOut(pairing, one, other, options)
  }

  /// Whether a tensor only counts positions: some layouts have it, others do not.
  private static func isConstant(_ tensor: TensorName) -> Bool { tensor.string.hasSuffix(".position_ids") }

  /// Compares what the dialect has no name for.
  private mutating func leaveOut(
    _ pairing: ImagePairing, _ base: ImageSide, _ tuned: ImageSide, _ options: ExtractionOptions
  ) throws {
    func leaveOut(_ tensor: TensorName, _ side: ImageSide, _ problem: FactorizationError.Problem) throws {
      guard options.leavesOutOthers else {
        throw FactorizationError(path: side.path(of: tensor), tensor: tensor.string, problem)
      }
      leftOut.append(tensor.string)
    }
    for (one, two) in pairing.misshapen {
      try leaveOut(two.runs[0].tensor, tuned, .shape(base: one.shape, tuned: two.shape))
    }
    let missing = pairing.others.filter { $0.tuned == nil && !Self.isConstant($0.base) }.map(\.base)
    for tensor in missing { try leaveOut(tensor, base, .missing(more: missing.count - 1)) }
    for tensor in pairing.added where !Self.isConstant(tensor) {
      try leaveOut(tensor, tuned, .other("a tensor that the base does not have"))
    }
    for (one, same) in pairing.others {
      guard let same, try !base.hasSameNumbers(one, as: tuned, same) else { continue }
      try leaveOut(same, tuned, .other("a tensor that is in no module of the diffusion model or a text encoder"))
    }
  }

  public func document(_ units: [FinishedUnit]) throws -> AdapterDocument {
    if units.allSatisfy(\.tensors.isEmpty) { throw FactorizationError(path: path, .noChange) }
    var document = AdapterDocument()
    let scalings = WrittenScalings(unscaled: units)
    document.judge = { path in try scalings.check(path) }
    return document
  }
}
