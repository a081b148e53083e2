import JSONText
import Safetensors

/// What trainers note in the metadata of an adapter's file: `ss_*` of kohya's and those that follow it, `modelspec.*`.
///
/// For people only: nothing of it changes a number. Every text is cut to a bounded length.
public struct TrainingFacts: Equatable, Sendable {
  /// A tag of the training's captions.
  public struct Tag: Equatable, Sendable {
    public let name: String
    /// Captions that have it.
    public let count: Int
  }

  /// `modelspec.title`, or `ss_output_name`.
  public let title: String?
  /// `ss_base_model_version`, such as "sdxl_base_v1-0".
  public let baseModelVersion: String?
  /// `ss_sd_model_name`: the file or repository that was trained on.
  public let baseModelName: String?
  /// `modelspec.architecture`, such as "stable-diffusion-xl-v1-base/lora".
  public let architecture: String?
  /// `ss_network_module`, with `algo` of `ss_network_args`.
  public let networkModule: String?
  public let algorithm: String?
  /// `ss_network_dim` and `ss_network_alpha`: those of the command line; modules may have others.
  public let rank: String?
  public let alpha: String?
  /// `ss_steps` and `ss_epoch`.
  public let steps: String?
  public let epochs: String?
  /// `modelspec.resolution`, or `ss_resolution`.
  public let resolution: String?
  /// `modelspec.trigger_phrase`.
  public let triggerPhrase: String?
  /// `modelspec.usage_hint`.
  public let usageHint: String?
  /// The name in `software`, where AI Toolkit notes it.
  public let software: String?
  /// `rs_lora` of `ss_network_args`: whether the training divided alpha by the root of the rank.
  let isRankStabilized: Bool
  /// The most frequent tags of `ss_tag_frequency`, a bounded number.
  public let tags: [Tag]

  /// Scalars of one text.
  static let textLimit = 200
  static let tagLimit = 10
  /// Bytes of a JSON text that is read.
  private static let jsonLimit = 4 << 20

  init(_ metadata: [SafetensorsHeader.MetadataEntry]) {
    func text(_ keys: String...) -> String? {
      for key in keys {
        guard let value = metadata.first(where: { $0.key == key })?.value, !value.isEmpty, value != "None" else {
          continue
        }
        return Self.cut(value)
      }
      return nil
    }
    func json(_ key: String) -> JSONValue? {
      guard let value = metadata.first(where: { $0.key == key })?.value, value.utf8.count <= Self.jsonLimit else {
        return nil
      }
      return try? JSONParser.parse(Array(value.utf8).span)
    }
    title = text("modelspec.title", "ss_output_name")
    baseModelVersion = text("ss_base_model_version")
    baseModelName = text("ss_sd_model_name")
    architecture = text("modelspec.architecture")
    networkModule = text("ss_network_module")
    let arguments = json("ss_network_args")
    if case .string(let name)? = arguments?["algo"] { algorithm = Self.cut(name) } else { algorithm = nil }
    isRankStabilized = [.bool(true), .string("True"), .string("true")].contains(arguments?["rs_lora"] ?? .null)
    rank = text("ss_network_dim")
    alpha = text("ss_network_alpha")
    steps = text("ss_steps")
    epochs = text("ss_epoch", "ss_num_epochs")
    resolution = text("modelspec.resolution", "ss_resolution")
    triggerPhrase = text("modelspec.trigger_phrase")
    usageHint = text("modelspec.usage_hint")
    if case .string(let name)? = json("software")?["name"] { software = Self.cut(name) } else { software = nil }
    tags = json("ss_tag_frequency").map { Self.tags($0) } ?? []
  }

  var isDyLoRA: Bool { algorithm?.lowercased() == "dylora" }

  /// The most frequent tags of all folders of a training together.
  private static func tags(_ json: JSONValue) -> [Tag] {
    guard case .object(let folders) = json else { return [] }
    var counts: [String: Int] = [:]
    for case .object(let entries) in folders.map(\.value) {
      for entry in entries {
        guard case .integer(let count) = entry.value, count > 0 else { continue }
        let name = cut(String(entry.key.drop { $0 == " " }))
        counts[name, default: 0] = counts[name, default: 0].addingReportingOverflow(Int(count)).partialValue
      }
    }
    return
      counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(tagLimit)
      .map { Tag(name: $0.key, count: $0.value) }
  }

  private static func cut(_ text: String) -> String {
    guard text.unicodeScalars.count > textLimit else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.prefix(textLimit))) + "..."
  }
}
