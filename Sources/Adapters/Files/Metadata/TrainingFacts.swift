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
  /// `modelspec.author` and `modelspec.license`.
  public let author: String?
  public let license: String?
  /// `ss_base_model_version`, such as "sdxl_base_v1-0".
  public let baseModelVersion: String?
  /// `ss_sd_model_name`: the file or repository that was trained on.
  public let baseModelName: String?
  /// `modelspec.architecture`, such as "stable-diffusion-xl-v1-base/lora".
  public let architecture: String?
  /// `modelspec.prediction_type`, such as "epsilon" or "v".
  public let predictionType: String?
  /// `ss_network_module`, with `algo` of `ss_network_args`.
  public let networkModule: String?
  public let algorithm: String?
  /// `ss_network_args` as it is.
  public let networkArguments: String?
  /// `ss_network_dim` and `ss_network_alpha`: those of the command line; modules may have others.
  public let rank: String?
  public let alpha: String?
  /// `ss_steps` and `ss_epoch`, or what AI Toolkit notes in `training_info`.
  public let steps: String?
  public let epochs: String?
  /// `ss_learning_rate`, `ss_unet_lr` and `ss_text_encoder_lr`.
  public let learningRate: String?
  public let unetLearningRate: String?
  public let textEncoderLearningRate: String?
  /// `ss_optimizer`.
  public let optimizer: String?
  /// `ss_num_train_images`: with repetitions.
  public let images: String?
  /// `modelspec.resolution`, or `ss_resolution`.
  public let resolution: String?
  /// `modelspec.date`, or the day of `ss_training_finished_at` or `ss_training_started_at`.
  public let date: String?
  /// `modelspec.trigger_phrase`.
  public let triggerPhrase: String?
  /// `modelspec.usage_hint`.
  public let usageHint: String?
  /// The name in `software`, where AI Toolkit notes it.
  public let software: String?
  /// `modelspec.merged_from`.
  public let mergedFrom: String?
  /// `rs_lora` of `ss_network_args`: whether the training divided alpha by the root of the rank.
  let isRankStabilized: Bool
  /// The most frequent tags of `ss_tag_frequency`, a bounded number.
  public let tags: [Tag]
  /// How many different tags there are.
  public let tagCount: Int
  /// Hashes that the metadata states.
  public let hashes: [StatedHash]

  static let tagLimit = 10

  /// What the metadata of a file says; also that of a model, which may have `modelspec.*`.
  ///
  /// - Parameter metadata: The entries of the file's header.
  public init(_ metadata: [SafetensorsHeader.MetadataEntry]) {
    let metadata = MetadataTexts(metadata)
    title = metadata.text("modelspec.title", "ss_output_name")
    author = metadata.text("modelspec.author")
    license = metadata.text("modelspec.license")
    baseModelVersion = metadata.text("ss_base_model_version")
    baseModelName = metadata.text("ss_sd_model_name")
    architecture = metadata.text("modelspec.architecture")
    predictionType = metadata.text("modelspec.prediction_type")
    networkModule = metadata.text("ss_network_module")
    let arguments = metadata.json("ss_network_args")
    if case .string(let name)? = arguments?["algo"] { algorithm = MetadataTexts.cut(name) } else { algorithm = nil }
    networkArguments = metadata.text("ss_network_args").flatMap { ["{}", "null"].contains($0) ? nil : $0 }
    isRankStabilized = [.bool(true), .string("True"), .string("true")].contains(arguments?["rs_lora"] ?? .null)
    rank = metadata.text("ss_network_dim")
    alpha = metadata.text("ss_network_alpha")
    let training = metadata.json("training_info")
    steps = metadata.text("ss_steps") ?? Self.count(training?["step"])
    epochs = metadata.text("ss_epoch", "ss_num_epochs") ?? Self.count(training?["epoch"])
    learningRate = metadata.text("ss_learning_rate")
    unetLearningRate = metadata.text("ss_unet_lr")
    textEncoderLearningRate = metadata.text("ss_text_encoder_lr")
    optimizer = metadata.text("ss_optimizer")
    images = metadata.text("ss_num_train_images")
    resolution = metadata.text("modelspec.resolution", "ss_resolution")
    date =
      metadata.text("modelspec.date")
      ?? metadata.text("ss_training_finished_at", "ss_training_started_at").flatMap(Double.init).flatMap(UnixDate.day)
    triggerPhrase = metadata.text("modelspec.trigger_phrase")
    usageHint = metadata.text("modelspec.usage_hint")
    if case .string(let name)? = metadata.json("software")?["name"] {
      software = MetadataTexts.cut(name)
    } else {
      software = nil
    }
    mergedFrom = metadata.text("modelspec.merged_from")
    (tags, tagCount) = metadata.json("ss_tag_frequency").map { Self.tags($0) } ?? ([], 0)
    hashes = StatedHash.all(metadata)
  }

  var isDyLoRA: Bool { algorithm?.lowercased() == "dylora" }

  private static func count(_ value: JSONValue?) -> String? {
    if case .integer(let count)? = value { String(count) } else { nil }
  }

  /// The most frequent tags of all folders of a training together, and how many there are.
  private static func tags(_ json: JSONValue) -> (tags: [Tag], count: Int) {
    guard case .object(let folders) = json else { return ([], 0) }
    var counts: [String: Int] = [:]
    for case .object(let entries) in folders.map(\.value) {
      for entry in entries {
        guard case .integer(let count) = entry.value, count > 0 else { continue }
        let name = MetadataTexts.cut(String(entry.key.drop { $0 == " " }))
        let (sum, overflows) = counts[name, default: 0].addingReportingOverflow(Int(count))
        counts[name] = overflows ? .max : sum
      }
    }
    let first = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(tagLimit)
    return (first.map { Tag(name: $0.key, count: $0.value) }, counts.count)
  }
}
