import Adapters
import Safetensors

/// Writes the tensors of the dialects that are one file: kohya, ComfyUI and diffusers.
struct FileDialect {
  let naming: ModuleNaming
  private(set) var list: TensorList

  init(_ naming: ModuleNaming, _ list: TensorList) { (self.naming, self.list) = (naming, list) }

  /// Whether each module has an alpha of its own; diffusers states it in the metadata.
  private var hasAlphas: Bool { naming.dialect != .diffusers }

  mutating func add(_ module: ConvertedModule) throws(ConversionError) {
    let name = naming.name(module.component ?? 0, module.name)
    switch module.content {
    case .lowRank(let factors): try add(factors, name, module)
    case .copied(let copied): try add(copied, name, module)
    }
  }

  private mutating func add(
    _ factors: ConvertedFactors, _ name: String, _ module: ConvertedModule
  ) throws(ConversionError) {
    if factors.isEmbedding {
      throw list.failure(.notHeld(what: "it is an embedding", dialect: naming.dialect, holdsLoRA: false), module)
    }
    let shape = try list.shape(factors, module)
    let isDiffusers = naming.dialect == .diffusers
    list.add(name + (isDiffusers ? ".lora_A.weight" : ".lora_down.weight"), factors.right, shape: shape.right)
    list.add(name + (isDiffusers ? ".lora_B.weight" : ".lora_up.weight"), factors.left, shape: shape.left)
    if let core = factors.core {
      if isDiffusers {
        throw list.failure(.notHeld(what: "it has a core of Tucker's decomposition", dialect: .diffusers), module)
      }
      list.add(name + ".lora_mid.weight", copyOf: core)
    }
    if let magnitudes = factors.magnitudes {
      if isDiffusers {
        guard factors.areOfRows else {
          throw list.failure(.notHeld(what: "it is DoRA with norms of columns", dialect: .diffusers), module)
        }
        list.add(
          name + ".lora_magnitude_vector", magnitudes,
          shape: PEFTFolder.magnitudeShape(magnitudes.columns, shape.kernel))
      } else {
        let ones = shape.kernel.map { _ in 1 }
        list.add(
          name + ".dora_scale", magnitudes,
          shape: (factors.areOfRows ? [magnitudes.columns, 1] : [1, magnitudes.columns]) + ones)
      }
    }
    if hasAlphas { list.add(name + ".alpha", number: factors.strength.alpha) }
  }

  private mutating func add(
    _ copied: CopiedTensors, _ name: String, _ module: ConvertedModule
  ) throws(ConversionError) {
    if naming.dialect == .diffusers {
      throw list.failure(.notHeld(what: "it is \(copied.kind.title)", dialect: .diffusers), module)
    }
    for (ending, tensor) in copied.tensors { list.add("\(name).\(ending)", copyOf: tensor) }
    if let alpha = copied.alphaTensor {
      list.add(name + ".alpha", copyOf: alpha)
    } else if let strength = copied.strength {
      list.add(name + ".alpha", number: strength.alpha)
    } else if copied.scaling != 1 {
      throw list.failure(.scaling(copied.scaling, dialect: naming.dialect), module)
    }
  }
}
