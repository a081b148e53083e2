import Checkpoints
import JSONText
import Safetensors

/// All that one way of keeping weights as codes has of its own: a file in Methods, and a line in ``QuantizationMethods``.
protocol QuantizationMethod: Sendable {
  /// Its values of `quant_method`.
  static var names: [String] { get }
  /// Every field of its config and what a merge makes of it; nil: the config says nothing that acts on a weight.
  static var fields: [QuantizationField]? { get }
  /// The fields of objects inside of its config.
  static func nestedFields(of config: JSONValue) -> [NestedFields]
  /// The key of the list of what is not quantized; nil: there is none that its readers know.
  static func skipList(_ source: QuantizationSource) -> String?
  /// Whether its readers leave modules alone where a config has no such list.
  static var hasDefaultSkips: Bool { get }
  /// Whether a change of one weight dequantizes all.
  static var decodesAllTogether: Bool { get }
  /// Whether its readers take for quantized what has scales, whatever the config says.
  static var isToldByScales: Bool { get }
  /// Whether the weight files alone say what is quantized. Their readers take a file in one way: changed weights stay in its
  /// format, and a dtype that is asked for decodes all of them.
  static var isToldByFiles: Bool { get }
  /// Whether merged weights can be written in the format again, as far as their layout allows it.
  static var isWrittenBack: Bool { get }

  var search: CodedTensors { get }

  init(search: CodedTensors)

  /// The weights that the base keeps as codes of this method.
  ///
  /// - Throws: What reading a file throws, and a ``PlanError`` where nothing of the base can be decoded.
  func tensors() throws -> FoundTensors
}

/// An object inside of a config, with its fields.
struct NestedFields {
  /// Its keys, from the config on.
  let path: [String]
  let value: JSONValue
  let fields: [QuantizationField]
}

extension QuantizationMethod {
  static func nestedFields(of config: JSONValue) -> [NestedFields] { [] }
  static func skipList(_ source: QuantizationSource) -> String? { "modules_to_not_convert" }
  static var hasDefaultSkips: Bool { true }
  static var decodesAllTogether: Bool { false }
  static var isToldByScales: Bool { false }
  static var isToldByFiles: Bool { false }
  static var isWrittenBack: Bool { true }

  var base: Checkpoint { search.base }
  var config: JSONValue { search.config }
  var configPath: String { search.configPath }
  var method: String { search.method }
  /// What weights decode to, unless they say it themselves.
  var dtype: DType { search.dtype }
}
