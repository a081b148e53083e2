import Adapters
import JSONText
import MergePlanning

/// adapter_config.json of a combined adapter: alpha is r in every module, so that the scaling is 1.
struct CombinedConfig {
  static let fileName = PEFTLayout.configName

  let text: [UInt8]

  init(_ layout: CombinationLayout) {
    let adapters = layout.uses.map(\.adapter)
    let rank = layout.modules.first?.rank ?? 1
    var writer = JSONWriter(indentation: 2)
    writer.beginObject()
    writer.member("peft_type", "LORA")
    writer.member("r", rank)
    writer.member("lora_alpha", rank)
    writer.member("use_rslora", false)
    let patterns = WrittenPatterns.entries(layout.modules.map { ($0.patternName, $0.rank) }, common: rank)
    for field in ["rank_pattern", "alpha_pattern"] {
      writer.member(field) { writer in
        for (key, rank) in patterns { writer.member(key, rank) }
      }
    }
    writer.member("target_modules", layout.modules.map(\.patternName))
    writer.member("modules_to_save", adapters.flatMap(\.config.savedModules))
    // Where shapes and the family of models leave it open this decides; an adapter without a transposed layer lacks it.
    writer.member("fan_in_fan_out", adapters.contains(where: \.config.fanInFanOut))
    if adapters.contains(where: \.config.tiesWeights) { writer.member("ensure_weight_tying", true) }
    // PEFT copies the first adapter's config; this is the initialization that it merges with a rounding more.
    if adapters.first?.config.lora?.initialization == .named("mica") {
      writer.member("init_lora_weights", "mica")
    } else {
      writer.member("init_lora_weights", true)
    }
    if let task = adapters.first?.config.taskType, adapters.allSatisfy({ $0.config.taskType == task }) {
      writer.member("task_type", task)
    }
    if let name = adapters.first?.baseModelName { writer.member("base_model_name_or_path", name) }
    writer.member("peft_version", "0.21.2")
    writer.end()
    text = writer.bytes
  }
}
