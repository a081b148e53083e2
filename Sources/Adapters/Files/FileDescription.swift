import Safetensors

/// What an adapter that is one file says of itself; for people, and for messages. Nothing of it changes a number.
public struct FileDescription: Equatable, Sendable {
  /// What the file does to so many modules.
  public struct Method: Equatable, Sendable {
    /// Such as "LoRA", "LoKr", "DoRA".
    public let name: String
    /// Modules, or replaced tensors.
    public let count: Int
  }

  /// Whose names the keys have, such as "kohya", "diffusers", "ComfyUI native".
  public let dialect: String
  /// The most frequent first.
  public let methods: [Method]
  /// What the trainer noted in the file's metadata.
  public let training: TrainingFacts

  init(_ keys: FileKeys, _ made: FileAssembly, _ training: TrainingFacts) {
    let names = keys.modules.map { DialectName.of($0.name.string, spelling: keys.spelling) }
    let counts = Dictionary(names.map { ($0, 1) }, uniquingKeysWith: +)
    // Of equally many the one whose name is first, so that a file always has the same.
    let first = counts.min { ($1.value, $0.key) < ($0.value, $1.key) }?.key
    dialect = keys.dialect ?? first ?? "bare names"
    methods = made.methods
    self.training = training
  }

  /// The methods as a text: "LoRA", "LoHa and LoRA", "LoKr, LoRA and norm".
  var methodNames: String {
    let names = methods.map(\.name)
    guard let last = names.last, names.count > 1 else { return names.first ?? "nothing" }
    return names.dropLast().joined(separator: ", ") + " and " + last
  }
}
