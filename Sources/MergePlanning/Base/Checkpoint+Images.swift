import Adapters
import Checkpoints
import ImageModels
import JSONText
import ModelNames
import Safetensors

extension Checkpoint {
  /// What it consists of as an image or video model; nil: it isn't one.
  package var imageDescription: ImageDescription? {
    mayBeOfImages ? ImageDescription(names: tensorNames, in: HeaderShapes(base: self)) : nil
  }

  /// The architecture that it is of as an image or video model; nil: it isn't one, or isn't known.
  package var imageArchitecture: String? { imageDescription.flatMap { $0.isRecognized ? $0.architecture : nil } }

  /// The base as an image or video model, in which modules are looked up by their names; nil: it isn't one.
  package var imageModel: ImageModel? {
    mayBeOfImages ? ImageModel(names: tensorNames, in: HeaderShapes(base: self)) : nil
  }

  /// The modules of an adapter that it does not have by any of the names that image models' modules have, in the adapter's order; nil: it
  /// is no image or video model.
  package func missingModules(of adapter: Adapter) -> [String]? {
    guard let model = imageModel else { return nil }
    func has(_ module: String, _ parameters: [ModuleParameter]) -> Bool {
      parameters.contains { parameter in
        switch model.place(module, parameter) {
        case .success?, .failure(.ambiguousName)?: true
        case .failure?, nil: false
        }
      }
    }
    let updates = adapter.updates.filter { !has($0.module, $0.imageParameters) }.map(\.module)
    let replaced = adapter.replacements.map(\.target).filter { target in
      !has(target.hasSuffix(".weight") ? String(target.dropLast(".weight".count)) : target, [.weight])
    }
    return updates + replaced
  }

  /// A language model has a config.json that is not one of diffusers.
  private var mayBeOfImages: Bool { config == nil || config?["_class_name"] != nil }
}

extension ModuleUpdate {
  /// The parameters of the module that it may be of.
  var imageParameters: [ModuleParameter] {
    switch target {
    case .weight: [.weight, .leaf("in_proj_weight")]
    case .attentionOutput: [.weight]
    case .parameter("bias"): [.bias]
    case .parameter(let leaf): [.leaf(leaf)]
    }
  }
}

/// The tensors of a model by its headers.
private struct HeaderShapes: NamedTensors {
  let base: Checkpoint

  func shape(of name: TensorName) -> [Int]? { base.location(of: name).map { base.tensor(at: $0).shape } }
  func storedShape(of name: TensorName) -> [Int]? { shape(of: name) }
  func absent(_ name: TensorName) -> TensorName? { nil }
}
