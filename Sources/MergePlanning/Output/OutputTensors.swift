import Adapters
import Checkpoints
import Safetensors

/// Lists the tensors of the output, with what becomes of each.
struct OutputTensors {
  let inputs: MergeInputs
  let updates: [TensorName: PendingUpdate]
  /// Tensors that the base doesn't have, with the file of the base that they are written behind.
  let added: [(name: TensorName, file: Int)]
  let dequantized: DequantizedWeights
  let requantized: RequantizedWeights
  let trained: QLoRAWeights

  /// The tensors that each file of the base has, in their order, and those that are added behind them.
  func byFile() throws(PlanError) -> [[OutputTensor]] {
    var files: [[OutputTensor]] = []
    for number in inputs.base.files.indices { files.append(try tensors(ofFile: number)) }
    return files
  }

  private func tensors(ofFile number: Int) throws(PlanError) -> [OutputTensor] {
    var outputs: [OutputTensor] = []
    for entry in inputs.baseTensors.files[number] {
      if let weight = entry.owner ?? entry.group?.name, !dequantized.names.contains(weight) {
        outputs.append(try stored(entry, of: weight))
      } else if entry.owner == nil, !(dequantized.isWhole && inputs.quantized.isMarker(at: entry.location)) {
        // Scales are of no use without their codes.
        outputs.append(plain(entry))
      }
    }
    return outputs + added.filter { $0.file == number }.compactMap { self.added($0.name) }
  }

  /// A part of a quantized weight that is kept, or that is written in the base's format again.
  private func stored(
    _ entry: BaseTensors.Entry, of weight: TensorName
  ) throws(PlanError) -> OutputTensor {
    let info = inputs.base.tensor(at: entry.location)
    let own = inputs.base.source(at: entry.location)
    var content = MergePlan.Content.copied(own)
    if let group = requantized.groups[weight],
      let requantization = try requantized.requantization(of: group, own, isCodes: entry.group != nil)
    {
      content = self.content(
        weight, shape: group.shape, from: .codes(group.weight.unrounded, own), dtype: .f32,
        to: .requantized(requantization))
    }
    return OutputTensor(name: info.name, shape: info.shape, dtype: info.dtype, content: content)
  }

  /// A tensor of the base that is written as numbers.
  private func plain(_ entry: BaseTensors.Entry) -> OutputTensor {
    let own = inputs.base.source(at: entry.location)
    let replacement = updates[entry.name]?.replacement
    let padded = updates[entry.name]?.paddedShape
    let weight: WeightSource =
      if let replacement {
        .numbers(replacement.source)
      } else if padded != nil {
        .padded(own, columns: entry.info.shape.dropFirst().reduce(1, *))
      } else if let group = entry.group {
        .codes(group.weight, own)
      } else if let training = inputs.options.qlora, trained.contains(entry.name) {
        .numbersThroughQLoRA(own, training)
      } else {
        .numbers(own)
      }
    return output(
      entry.name, weight, shape: replacement?.shape ?? padded ?? entry.info.shape,
      dtype: inputs.outputDType(entry.info.dtype))
  }

  /// A tensor that the base doesn't have: an adapter's, or a copy of one of the base's.
  private func added(_ name: TensorName) -> OutputTensor? {
    guard let update = updates[name] else { return nil }
    if let replacement = update.replacement {
      return output(
        name, .numbers(replacement.source), shape: replacement.shape,
        dtype: inputs.outputDType(inputs.addedDType(replacement.source.dtype)))
    }
    guard let original = update.copyOf, let entry = inputs.baseTensors.entry(original) else { return nil }
    let source = inputs.base.source(at: entry.location)
    return output(
      name, entry.group.map { .codes($0.weight, source) } ?? .numbers(source), shape: entry.info.shape,
      dtype: inputs.outputDType(entry.info.dtype))
  }

  private func output(_ name: TensorName, _ weight: WeightSource, shape: [Int], dtype: DType) -> OutputTensor {
    OutputTensor(
      name: name, shape: shape, dtype: dtype,
      content: content(name, shape: shape, from: weight, dtype: dtype, to: .numbers))
  }

  /// What becomes of a weight.
  ///
  /// - Parameters:
  ///   - shape: The weight's.
  ///   - dtype: What the update rounds to.
  private func content(
    _ name: TensorName, shape: [Int], from weight: WeightSource, dtype: DType, to encoding: WeightEncoding
  ) -> MergePlan.Content {
    guard let update = updates[name], !update.steps.isEmpty || !update.rows.isEmpty else {
      if case .numbers(let source) = weight, source.dtype == dtype { return .copied(source) }
      // An empty tensor has nothing to round, and dimensions that no product may be formed of.
      if shape.contains(0) { return .copied(weight.source) }
      // A change of dtype alone: rounded by the same pipeline, with nothing to add.
      return .computed(from: weight, TensorUpdate(roundingOnly: shape), to: encoding)
    }
    let (rows, columns) = update.matrix(of: shape)
    var first: TensorUpdate.Step?
    // PEFT loads a replaced weight in the base's dtype before it adds anything.
    if inputs.options.arithmetic == .peft, let base = inputs.shapes(with: updates).dtype(of: name),
      base != weight.dtype
    {
      first = .round(base)
    }
    return .computed(from: weight, update.update(rows: rows, columns: columns, first: first), to: encoding)
  }
}
