/// What PEFT calls the files of an adapter, and what its keys begin with.
package enum PEFTLayout {
  /// Before a module's path in the model.
  package static let prefix = "base_model.model."
  /// The config.
  package static let configName = "adapter_config.json"
  /// The weights.
  package static let weightsName = "adapter_model.safetensors"
  /// `target_modules` of an adapter that has only whole tensors: PEFT 0.21.2 refuses a list that fits no module.
  package static let noTargets = "dummy-target-modules"
}
