import JSONText
import MergeEngine
import Safetensors

/// Formats in which the weights of linear layers or experts are quantized, with random values.
enum WeightFormat: String, CaseIterable, Sendable {
  /// Numbers.
  case plain
  /// F8_E4M3 with a scale for each 128 x 128 elements, as DeepSeek-V3 has it.
  case fp8Block = "fp8-block"
  /// NF4 of bitsandbytes with nested statistics, as QLoRA has it.
  case nf4
  /// MXFP4 of gpt-oss, of the experts.
  case mxfp4

  private static let side = 128
  private static let nf4Block = 64
  private static let nestedBlock = 256
  private static let mxBlock = 32

  /// The tensors with codes in place of the weights that the format has them for.
  func tensors(of model: ModelShape) throws(BenchmarkError) -> [ModelTensor] {
    guard self != .plain else { return model.tensors }
    guard (model.family == .gptOSS) == (self == .mxfp4) else {
      throw .formatOfFamily(format: rawValue, family: model.family.rawValue)
    }
    if self == .mxfp4 {
      for (option, size) in [("--hidden", model.hidden), ("--intermediate", model.intermediate)] {
        guard size % Self.mxBlock == 0 else { throw .notInBlocks(option: option, value: size, block: Self.mxBlock) }
      }
    }
    let modules = Dictionary(
      uniqueKeysWithValues: model.linearModules.map { ($0.experts == nil ? $0.name + ".weight" : $0.name, $0) })
    return model.tensors.flatMap { tensor in
      guard let module = modules[tensor.name], self != .mxfp4 || module.experts != nil else { return [tensor] }
      return codes(tensor.name, module)
    }
  }

  private func codes(_ name: String, _ module: LinearModule) -> [ModelTensor] {
    let shape = [module.outputs, module.inputs]
    switch self {
    case .plain: return []
    case .fp8Block:
      return [
        ModelTensor(name: name, shape: shape, values: .codes, dtype: .f8E4M3),
        ModelTensor(
          name: name + "_scale_inv", shape: shape.map { ($0 - 1) / Self.side + 1 }, values: .scale(largest: 448),
          dtype: .f32),
      ]
    case .nf4:
      let count = shape.reduce(1, *)
      let blocks = (count - 1) / Self.nf4Block + 1
      let state = state(shape)
      return [
        ModelTensor(name: name, shape: [(count - 1) / 2 + 1, 1], values: .codes, dtype: .u8),
        ModelTensor(name: name + ".absmax", shape: [blocks], values: .codes, dtype: .u8),
        ModelTensor(name: name + ".quant_map", shape: [16], values: Self.numbers(Codebooks.nf4), dtype: .f32),
        ModelTensor(
          name: name + ".nested_absmax", shape: [(blocks - 1) / Self.nestedBlock + 1], values: .scale(largest: 1),
          dtype: .f32),
        ModelTensor(
          name: name + ".nested_quant_map", shape: [256], values: Self.numbers((0..<256).map { Float($0) / 255 }),
          dtype: .f32),
        ModelTensor(
          name: name + ".quant_state.bitsandbytes__nf4", shape: [state.count], values: .bytes(state), dtype: .u8),
      ]
    case .mxfp4:
      let groups = [module.experts ?? 1, module.outputs, module.inputs / Self.mxBlock]
      return [
        ModelTensor(name: name + "_blocks", shape: groups + [Self.mxBlock / 2], values: .codes, dtype: .u8),
        ModelTensor(name: name + "_scales", shape: groups, values: .exponents, dtype: .u8),
      ]
    }
  }

  private static func numbers(_ values: [Float]) -> ValueKind {
    .bytes(values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * $0)) } })
  }

  /// The text of a quant_state.
  private func state(_ shape: [Int]) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    for (key, value) in [("quant_type", "nf4"), ("dtype", "bfloat16"), ("nested_dtype", "float32")] {
      writer.key(key)
      writer.value(value)
    }
    for (key, value) in [("blocksize", Self.nf4Block), ("nested_blocksize", Self.nestedBlock)] {
      writer.key(key)
      writer.value(value)
    }
    writer.key("shape")
    writer.value(shape)
    writer.key("nested_offset")
    writer.value(0.0)
    writer.end()
    return writer.bytes
  }

  /// Writes `quantization_config`, if there is one.
  func describe(to writer: inout JSONWriter) {
    func flag(_ key: String, _ value: Bool) {
      writer.key(key)
      writer.value(value)
    }
    func text(_ key: String, _ value: String) {
      writer.key(key)
      writer.value(value)
    }
    guard self != .plain else { return }
    writer.key("quantization_config")
    writer.beginObject()
    switch self {
    case .plain: break
    case .fp8Block:
      text("activation_scheme", "dynamic")
      text("quant_method", "fp8")
      writer.key("weight_block_size")
      writer.value([Self.side, Self.side])
    case .nf4:
      text("bnb_4bit_compute_dtype", "bfloat16")
      text("bnb_4bit_quant_type", "nf4")
      flag("bnb_4bit_use_double_quant", true)
      flag("load_in_4bit", true)
      text("quant_method", "bitsandbytes")
    case .mxfp4:
      writer.key("modules_to_not_convert")
      writer.beginArray()
      for name in ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"] {
        writer.value(name)
      }
      writer.end()
      text("quant_method", "mxfp4")
    }
    writer.end()
  }
}
