import JSONText
import Safetensors

extension ModelShape {
  /// The text of config.json, with the keys that transformers 5 writes.
  func configText(dtype: DType, format: WeightFormat = .plain) -> [UInt8] {
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.key("architectures")
    writer.beginArray()
    writer.value(className)
    writer.end()
    func number(_ key: String, _ value: Int) {
      writer.key(key)
      writer.value(value)
    }
    func flag(_ key: String, _ value: Bool) {
      writer.key(key)
      writer.value(value)
    }
    if family != .moe { flag("attention_bias", family == .gptOSS) }
    writer.key("attention_dropout")
    writer.value(0.0)
    number("bos_token_id", 1)
    writer.key("dtype")
    writer.value(dtype.torchName)
    number("eos_token_id", 2)
    number("head_dim", headSize)
    writer.key("hidden_act")
    writer.value("silu")
    number("hidden_size", hidden)
    writer.key("initializer_range")
    writer.value(0.02)
    number("intermediate_size", intermediate)
    number("max_position_embeddings", 2048)
    if family == .llama { flag("mlp_bias", false) }
    writer.key("model_type")
    writer.value(modelType)
    number("num_attention_heads", heads)
    if family != .llama { number("num_experts_per_tok", min(2, experts)) }
    number("num_hidden_layers", layers)
    number("num_key_value_heads", keyValueHeads)
    if family != .llama { number("num_local_experts", experts) }
    format.describe(to: &writer)
    writer.key("rms_norm_eps")
    writer.value(1e-5)
    writer.key("rope_parameters")
    writer.beginObject()
    writer.key("rope_theta")
    writer.value(10000.0)
    writer.key("rope_type")
    writer.value("default")
    writer.end()
    flag("tie_word_embeddings", false)
    flag("use_cache", true)
    number("vocab_size", vocabulary)
    writer.end()
    return writer.bytes + [UInt8(ascii: "\n")]
  }
}

extension ModelShape {
  private var className: String {
    switch family {
    case .llama: "LlamaForCausalLM"
    case .moe: "MixtralForCausalLM"
    case .gptOSS: "GptOssForCausalLM"
    }
  }

  private var modelType: String {
    switch family {
    case .llama: "llama"
    case .moe: "mixtral"
    case .gptOSS: "gpt_oss"
    }
  }
}

extension DType {
  /// The name in config.json.
  fileprivate var torchName: String {
    switch self {
    case .bf16: "bfloat16"
    case .f16: "float16"
    default: "float32"
    }
  }
}
