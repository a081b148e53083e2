import JSONText

/// The files of trainers that write no adapter_config.json of PEFT, a line each.
struct TrainerFiles: Sendable {
  let weightsName: String
  let configName: String
  /// Makes the fields of PEFT's config of the trainer's, with the scaling that it states; the path is for errors.
  let read: @Sendable (JSONValue, String) throws(AdapterError) -> (config: JSONValue, scaling: Double)
  /// The names of its tensors; nil: PEFT's.
  var dialect: KeyDialect?

  static let all: [TrainerFiles] = [
    // mistral-finetune: names and fields of its `finetune/args.py` and `checkpointing.py`.
    TrainerFiles(weightsName: "lora.safetensors", configName: "params.json") { json, path throws(AdapterError) in
      try config(json["lora"], "lora", rank: "rank", scaling: "scaling", "params.json", path)
    },
    // mlx-lm 0.32.2: `tuner/utils.py`. Before October 2024 a field of its own asked for DoRA.
    TrainerFiles(
      weightsName: "adapters.safetensors", configName: "adapter_config.json",
      read: { json, path throws(AdapterError) in
        let isOldDoRA = json["fine_tune_type"] == nil && json["use_dora"] == .bool(true)
        let type = json["fine_tune_type"] ?? .string(isOldDoRA ? "dora" : "lora")
        guard [.string("lora"), .string("dora")].contains(type) else {
          throw AdapterError(
            path: path,
            .unsupportedField(
              "fine_tune_type", value: type.summary,
              reason: "only MLX adapters of type \"lora\" or \"dora\" are merged",
              hint: "merge it with mlx_lm.fuse"))
        }
        // MLX's head reads the embedding where they are tied, with its update.
        return try config(
          json["lora_parameters"], "lora_parameters", rank: "rank", scaling: "scale", "adapter_config.json", path,
          more: [
            JSONMember(key: "use_dora", value: .bool(type == .string("dora"))),
            JSONMember(key: "ensure_weight_tying", value: .bool(true)),
          ] + baseModel(json["model"]))
      }, dialect: MLXKeys.dialect),
  ]

  /// What the adapter was trained on: a repository or a path.
  private static func baseModel(_ value: JSONValue?) -> [JSONMember] {
    guard let value, case .string = value else { return [] }
    return [JSONMember(key: "base_model_name_or_path", value: value)]
  }

  private static func config(
    _ section: JSONValue?, _ name: String, rank: String, scaling: String, _ file: String, _ path: String,
    more: [JSONMember] = []
  ) throws(AdapterError) -> (config: JSONValue, scaling: Double) {
    func field(_ field: String) throws(AdapterError) -> JSONValue {
      guard let value = section?[field], value != .null else {
        throw AdapterError(path: path, .trainerConfig(file, missing: "\"\(name)\"[\"\(field)\"]", found: nil))
      }
      return value
    }
    let rankValue = try field(rank)
    let scalingValue = try field(scaling)
    guard let r = ConfigReader.rank(rankValue) else {
      throw AdapterError(
        path: path, .fieldType("\(name)\"[\"\(rank)\"]", expected: "an integer of at least 1", found: rankValue.summary)
      )
    }
    guard let factor = ConfigReader.number(scalingValue) else {
      throw AdapterError(
        path: path, .fieldType("\(name)\"[\"\(scaling)\"]", expected: "a finite number", found: scalingValue.summary))
    }
    let fields: [JSONMember] = [
      JSONMember(key: "peft_type", value: .string("LORA")), JSONMember(key: "r", value: rankValue),
      JSONMember(key: "lora_alpha", value: .real(factor * Double(r))),
    ]
    return (.object(fields + more), factor)
  }
}
