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
        outputs.append(try stored(entry, of: weight, file: number))
      } else if entry.owner == nil {
        // Scales are of no use without their codes.
        outputs.append(plain(entry, file: number))
      }
    }
    return outputs + added.filter { $0.file == number }.compactMap { self.added($0.name) }
  }

  /// A part of a quantized weight that is kept, or that is written in the base's format again.
  private func stored(
    _ entry: BaseTensors.Entry, of weight: TensorName, file number: Int
  ) throws(PlanError) -> OutputTensor {
    let header = inputs.base.files[number].header
    let info = header.tensors[entry.location.index]
    let own = MergePlan.Source(header, entry.location.index, input: number)
    guard let group = requantized.groups[weight],
      let requantization = try requantized.requantization(of: group, own, isCodes: entry.group != nil)
    else {
      return output(info.name, own, shape: info.shape, dtype: info.dtype)
    }
    return OutputTensor(
      name: info.name, source: own, shape: info.shape, dtype: info.dtype,
      update: update(weight, shape: group.shape, from: .f32, to: .f32, isDecoded: true),
      quantized: group.weight.unrounded, requantized: requantization)
  }

  /// A tensor of the base that is written as numbers.
  private func plain(_ entry: BaseTensors.Entry, file number: Int) -> OutputTensor {
    let replacement = updates[entry.name]?.replacement
    let own = MergePlan.Source(inputs.base.files[number].header, entry.location.index, input: number)
    return output(
      entry.name, replacement?.source ?? own, shape: replacement?.shape ?? entry.info.shape,
      dtype: inputs.outputDType(entry.info.dtype), quantized: replacement == nil ? entry.group?.weight : nil,
      qloraQuantization: trained.contains(entry.name) ? inputs.options.baseWas : nil)
  }

  /// A tensor that the base doesn't have: an adapter's, or a copy of one of the base's.
  private func added(_ name: TensorName) -> OutputTensor? {
    guard let update = updates[name] else { return nil }
    if let replacement = update.replacement {
      return output(
        name, replacement.source, shape: replacement.shape,
        dtype: inputs.outputDType(inputs.addedDType(replacement.source.dtype)))
    }
    guard let original = update.copyOf, let entry = inputs.baseTensors.entry(original) else { return nil }
    let header = inputs.base.files[entry.location.file].header
    return output(
      name, MergePlan.Source(header, entry.location.index, input: entry.location.file), shape: entry.info.shape,
      dtype: inputs.outputDType(entry.info.dtype), quantized: entry.group?.weight)
  }

  private func output(
    _ name: TensorName, _ source: MergePlan.Source, shape: [Int], dtype: DType, quantized: QuantizedWeight? = nil,
    qloraQuantization: QLoRAQuantization? = nil
  ) -> OutputTensor {
    OutputTensor(
      name: name, source: source, shape: shape, dtype: dtype,
      update: update(
        name, shape: shape, from: quantized?.dtype ?? source.dtype, to: dtype,
        isDecoded: quantized != nil || qloraQuantization != nil),
      quantized: quantized, qloraQuantization: qloraQuantization)
  }

  private func update(
    _ name: TensorName, shape: [Int], from source: DType, to output: DType, isDecoded: Bool
  ) -> TensorUpdate? {
    guard let update = updates[name], !update.steps.isEmpty || !update.rows.isEmpty else {
      // A change of dtype alone: rounded by the same pipeline, with nothing to add.
      // An empty tensor has nothing to round, and dimensions that no product may be formed of.
      return (source == output && !isDecoded) || shape.contains(0) ? nil : TensorUpdate(roundingOnly: shape)
    }
    var (rows, columns) =
      update.isConvolution ? (shape[0], shape.dropFirst().reduce(1, *)) : TensorUpdate.matrix(of: shape)
    (rows, columns) = (rows / update.interleaveCount, columns * update.interleaveCount)
    var first: TensorUpdate.Step?
    // PEFT loads a replaced weight in the base's dtype before it adds anything.
    if inputs.options.arithmetic == .peft, let base = inputs.shapes(with: updates).dtype(of: name), base != source {
      first = .round(base)
    }
    return update.update(rows: rows, columns: columns, first: first)
  }
}
