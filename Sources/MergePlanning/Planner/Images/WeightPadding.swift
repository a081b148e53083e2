import Adapters
import Checkpoints
import ModelNames
import Safetensors

/// Weights that are padded with zeros before a delta is added: those that a control LoRA widens.
///
/// Sources: ComfyUI `comfy/lora.py` `pad_tensor_to_shape`; diffusers 0.42.1 `_maybe_expand_transformer_param_shape_or_error_`.
struct WeightPadding {
  let inputs: MergeInputs
  /// The adapter.
  let number: Int

  /// The place of an update in the tensor that it was padded to, by this update or by one before; pads the tensor if need be.
  ///
  /// - Parameter works: What is done to tensors so far.
  /// - Throws: If the weight cannot be padded to the shape that the adapter asks for.
  func place(
    _ placement: TensorPlacement, for update: ModuleUpdate, _ works: inout [TensorName: PendingUpdate]
  ) throws(PlanError) -> TensorPlacement {
    let target = placement.whole ?? placement.name
    let found = works[target]?.paddedShape ?? placement.shape
    guard let wanted = update.paddedShape, wanted != found else {
      return found == placement.shape
        ? placement : TensorPlacement(whole: target, as: placement.name, shape: found, rule: placement.rule)
    }
    if let reason = reason(notPadding: found, to: wanted, placement, works) {
      throw inputs.error(
        .padding(target: target.string, from: found, to: wanted, reason), number, key: update.inWitness.tensor)
    }
    works[target, default: PendingUpdate()].paddedShape = wanted
    return TensorPlacement(whole: target, as: placement.name, shape: wanted, rule: placement.rule)
  }

  /// What a person should know of a weight that was padded; nil: the update does not ask for it.
  func warning(_ placement: TensorPlacement, for update: ModuleUpdate) -> String? {
    guard update.paddedShape != nil, let target = placement.whole,
      let before = inputs.baseTensors.entry(target)?.info.shape,
      before != placement.shape
    else { return nil }
    return
      "\(inputs.adapters[number].adapter.weightsPath): \(target) is padded with zeros from \(before) to \(placement.shape): "
      + "programs must expect the new shape"
  }

  /// Why a weight is not padded; nil: it can be.
  private func reason(
    notPadding found: [Int], to wanted: [Int], _ placement: TensorPlacement, _ works: [TensorName: PendingUpdate]
  ) -> String? {
    guard let target = placement.whole else { return "the base has it as a part of another tensor" }
    guard found.count == wanted.count, found.count >= 2, found[1] < wanted[1],
      found.indices.allSatisfy({ $0 == 1 || found[$0] == wanted[$0] })
    else { return "only its inputs, the second dimension, can grow" }
    if case .singleFile = inputs.base.layout {
    } else {
      return "the base is a folder, whose config.json says the old size; merge into a single file"
    }
    if inputs.baseTensors.entry(target)?.group != nil { return "the base has it quantized" }
    if let work = works[target], work.changesTensor || !work.users.isEmpty {
      return "another adapter changes it before; name the adapter that pads it first"
    }
    return nil
  }
}
