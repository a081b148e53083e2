import Adapters
import Checkpoints
import ImageModels
import MergePlanning
import Safetensors

/// What `ls` tells of an image or video model, beside its tensors.
struct ImageModelFacts: Sendable {
  /// What adapters know as one part, the VAE, or what is in no part.
  struct Part: Sendable {
    let name: String
    /// Nil: no adapter changes it.
    let component: Component?
    fileprivate(set) var tensors = 0
    fileprivate(set) var parameters = 0
    fileprivate(set) var bytes = 0
    fileprivate(set) var types = ElementTypes()
  }

  /// Weights in FP8 whose scales are stored in one way.
  struct FP8: Sendable {
    /// Nil: they have no scales.
    let scheme: String?
    fileprivate(set) var weights: Int
  }

  let description: ImageDescription
  /// The components in their order, then others; what is in no part is last and called `other`.
  let parts: [Part]
  let fp8: [FP8]
  /// What the files' metadata says.
  let stated: TrainingFacts

  /// Nil: the listed path is no image or video model.
  init?(_ listing: Listing, _ weights: StoredWeights) {
    guard let model = listing.model, let description = model.imageDescription else { return nil }
    self.description = description
    var parts = description.components.map { Part(name: $0.shortName, component: $0) }
    var places = Dictionary(parts.enumerated().map { ($1.name, $0) }) { first, _ in first }
    var other = Part(name: "other", component: nil)
    var fp8: [FP8] = []
    func count(_ scheme: String?) {
      if let place = fp8.firstIndex(where: { $0.scheme == scheme }) {
        fp8[place].weights += 1
      } else {
        fp8.append(FP8(scheme: scheme, weights: 1))
      }
    }
    for (number, file) in listing.files.enumerated() {
      for (index, tensor) in file.header.tensors.enumerated() {
        let parameters = weights.parameterCount(file: number, index: index, elementCount: tensor.elementCount)
        var type = ElementType.dtype(tensor.dtype)
        switch weights.role(file: number, index: index) {
        case .plain:
          if Self.isFP8(tensor.dtype), tensor.shape.count > 1 { count(nil) }
        case .codes(let weight):
          type = .format(weights.weights[weight].label)
          if Self.isFP8(tensor.dtype) { count(Self.scheme(weights.weights[weight], listing)) }
        case .part(let weight): type = .format(weights.weights[weight].label)
        }
        func add(_ part: inout Part) {
          part.tensors += 1
          part.parameters += parameters
          part.bytes += tensor.byteCount
          part.types.insert(type)
        }
        guard let name = description.part(of: tensor.name) else {
          add(&other)
          continue
        }
        if places[name] == nil {
          places[name] = parts.count
          parts.append(Part(name: name, component: nil))
        }
        if let place = places[name] { add(&parts[place]) }
      }
    }
    self.parts = parts + (other.tensors > 0 ? [other] : [])
    self.fp8 = fp8
    stated = TrainingFacts(listing.files.flatMap { $0.header.metadata ?? [] })
  }

  private static func isFP8(_ dtype: DType) -> Bool { dtype == .f8E4M3 || dtype == .f8E5M2 }

  /// The names of the tensors that hold a weight's scale and say so, as ComfyUI and others write them.
  private static func scheme(_ weight: StoredWeight, _ listing: Listing) -> String {
    let names = weight.parts.map { listing.files[$0.file].header.tensors.name(at: $0.index).string }
    func has(_ ending: String) -> Bool { names.contains { $0.hasSuffix("." + ending) } }
    let found = ["scale_weight", "weight_scale", "weight_scale_inv", "comfy_quant"].filter(has)
    let isDescribed =
      listing.files[weight.codes.file].header.metadata?.contains { $0.key == "_quantization_metadata" } ?? false
    return (found + (isDescribed ? ["_quantization_metadata"] : [])).joined(separator: ", ")
  }
}
