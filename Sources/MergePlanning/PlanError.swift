import Adapters
import ModelNames
import Platform
import Safetensors

/// The reason that an adapter cannot be merged into a base.
public struct PlanError: ReportableError, Equatable {
  public enum Problem: Equatable, Sendable {
    /// A module of the adapter has no tensor in the base.
    case noTarget(target: String, candidates: [String], otherModules: Int)
    /// The base lacks a module of an adapter that is one file. `model` names the base's architecture; nil: it isn't an image model.
    case noModule(String, model: String?, candidates: [String], otherModules: Int)
    /// An adapter has a weight for a part that the base doesn't have.
    case noPart(String, known: [String])
    /// The adapter makes two tensors differ that the base keeps as one.
    ///
    /// `editsConfig`: writing them apart takes `tie_word_embeddings` out of config.json.
    case tied(names: [String], changed: [String], editsConfig: Bool)
    /// The adapter changes several of them, in ways that cannot be one.
    case tiedBoth(names: [String])
    /// Nothing that is written would make them differ when the model is loaded.
    case inseparable(names: [String], changed: [String], class: String?, isUnknown: Bool)
    /// A change of a tensor that is a parameter of two modules.
    case twins(kept: String, other: String, class: String?)
    /// A tensor that a field of the config says the adapter replaces, and that it doesn't have.
    case lostReplacement(field: String)
    /// The input projection of a MultiheadAttention without the output projection that PEFT trains with it.
    case missingOutProj(output: String)
    case replicationOfSeveral
    /// layer_replication names a layer that the base doesn't have.
    case noSuchLayer(Int)
    case tooManyLayers(Int)
    /// More tensors than any model has.
    case tooManyTensors(Int, limit: Int)
    /// One adapter replaces a tensor that another one adds to: which comes first is not defined.
    case replacedAndChanged(target: String, other: String)
    /// A stack of experts written by a tool that ordered B's columns in two ways over time.
    case ambiguousExperts
    case groupedConvolution(target: String)
    /// The input channels of a grouped convolution: each group of rows has factors of its own.
    case groupedScaling(target: String)
    /// A bias gets a product with a weight that is coded or replaced.
    case weightInBias(target: String)
    /// A convolution whose windows overlap, by a method that rotates these and not the weight.
    case rotatedWindows(target: String)
    case weightedReplacement(weight: Double)
    /// Weights of several dtypes, by a method that draws numbers in the dtype of the weights.
    case mixedDTypes(target: String, found: DType, other: DType)
    /// A method whose change of a weight has no factor.
    case weightWithoutScaling(method: String, weight: Double)
    case replacementDType(target: String, found: DType, expected: DType)
    /// A tensor for which the base has no place.
    case newTensor(target: String, candidates: [String])
    case rowOutside(row: Int, target: String, rows: Int)
    case rowTwice(row: Int, target: String)
    /// The vocabulary's size changes, and config.json does not say the old one.
    case vocabularyUnknown(rows: Int, newRows: Int)
    case vocabularies(embedding: String, rows: Int, headRows: Int)
    case noBias(target: String)
    case targetHitTwice(target: String, other: String)
    /// What the adapter's factor is, and what the base's tensor is.
    case shape(factor: String, found: [Int], target: String, expected: [Int])
    case storedTransposed(target: String, shape: [Int])
    case maybeTransposed(target: String, shape: [Int])
    /// A tensor of the result would be a part of an adapter, such as `lora_A` or `base_layer`; `isBase`: the base has it.
    case adapterTensor(isBase: Bool)
    case targetDType(target: String, found: DType)
    case quantizedBase(method: String)
    /// Something about a quantized weight that is not known.
    case quantizedScheme(String)
    /// A field of a quantization config, as a path, that changes more than a weight.
    case quantizationField(String, because: String)
    /// A tensor beside the codes of this weight that no rule knows.
    case besideCodes(of: String)
    /// Codes that no config describes, and how they are recognized.
    case undescribedCodes(String)
    /// A tensor that codes need, as it is found (nil: it is not) and as it must be.
    case quantizedPart(String, found: String?, expected: String)
    /// Something that is not requantized to the base's format.
    case requantizing(String)
    /// A change of a weight of this dtype without a scale: what it is to become has to be asked for.
    case unscaledFP8(DType)
    /// A changed weight of a file in FP8 that can't be written in FP8 again.
    case staysFP8(String)
    /// Something that is not quantized as in training.
    case training(String)
    case adapterTensorsUnused(count: Int)
    /// Other file sizes than the base's, of a pipeline, whose parts are in folders of their own.
    case dividedPipeline
    /// A name that has no one place in the base.
    case name(NameProblem)
    /// Something that can only be done to a whole tensor of the base.
    case slicedChange(target: String, what: String)
    /// A weight that cannot be padded with zeros: its shape, that which is asked for, and why not.
    case padding(target: String, from: [Int], to: [Int], String)
    /// Something beside a change of the base that has no meaning, or none that is known.
    case decomposition(Decomposition, String)
    /// An update of an embedding that normalizes what it looks up.
    case normalizedEmbedding(module: String, type: String)
    /// An update of a module past which the model reads its weight.
    case bypassed(module: String, class: String)
    /// An update of a module past which the model reads its weight in one of two places.
    case partlyBypassed(module: String, class: String)
    /// PEFT's arithmetic is asked for, and the adapter is a file of another library.
    case arithmeticOfFile
  }

  public let path: String
  public let tensorName: TensorName?
  public let problem: Problem
  /// The base that the adapter's configuration names.
  public let adapterBase: String?

  public init(path: String, tensor: TensorName?, _ problem: Problem, adapterBase: String? = nil) {
    self.path = path
    self.tensorName = tensor
    self.problem = problem
    self.adapterBase = adapterBase
  }

  public var file: String? { path }
  public var tensor: String? { tensorName?.string }
  public var category: ErrorCategory { .refusedInput }

  public var errorClass: String {
    switch problem {
    case .name(let problem): problem.errorClass
    case .noTarget, .noModule, .noPart, .noBias, .newTensor: "no-target"
    case .tied, .tiedBoth, .inseparable, .twins: "tied"
    case .lostReplacement, .missingOutProj: "pair"
    case .noSuchLayer: "no-target"
    case .tooManyLayers, .tooManyTensors: "adapter-config"
    case .replacedAndChanged: "hit-twice"
    case .targetHitTwice: "hit-twice"
    case .shape, .rowOutside, .vocabularies, .vocabularyUnknown: "shape"
    case .storedTransposed, .maybeTransposed: "orientation"
    case .adapterTensor: "adapter-tensors"
    case .quantizedBase, .quantizedScheme, .groupedConvolution, .groupedScaling, .weightInBias, .rotatedWindows,
      .replicationOfSeveral, .ambiguousExperts, .weightedReplacement, .weightWithoutScaling, .decomposition,
      .mixedDTypes, .slicedChange, .padding, .requantizing, .staysFP8,
      .training, .dividedPipeline, .quantizationField, .besideCodes, .undescribedCodes, .bypassed, .partlyBypassed,
      .normalizedEmbedding, .arithmeticOfFile:
      "unsupported"
    case .quantizedPart: "quantized"
    case .rowTwice: "hit-twice"
    case .targetDType, .replacementDType, .unscaledFP8: "dtype"
    case .adapterTensorsUnused: "unused"
    }
  }

  public var message: String {
    switch problem {
    case .noTarget(let target, let candidates, let others):
      "the base has no tensor \(target)"
        + (candidates.isEmpty ? "" : "; nearest: \(candidates.joined(separator: ", "))")
        + (others > 0 ? " (and \(NumberText.counted(others, "more module")) without a tensor)" : "")
    case .noModule(let module, let model, let candidates, let others):
      (model.map { "the base, \($0), has no module \(module)" }
        ?? "the base isn't an image or video model that is known, and has no module \(module)")
        + (candidates.isEmpty ? "" : "; nearest: \(candidates.joined(separator: ", "))")
        + (others > 0 ? " (and \(NumberText.counted(others, "more module")) that it doesn't have)" : "")
    case .noPart(let name, let known):
      known.isEmpty
        ? "a weight for the part \"\(name)\", and the base is no image or video model"
        : "a weight for the part \"\(name)\", which the base doesn't have"
    case .tied(let names, let changed, _):
      "\(Self.listed(names)) are tied in the base, and the adapter changes "
        + (changed.count > 1 ? "each in its own way" : "only \(Self.listed(changed))")
    case .tiedBoth(let names):
      "\(Self.listed(names)) are tied in the base, and the adapter changes "
        + (names.count == 2 ? "both" : "several") + " differently"
    case .inseparable(let names, let changed, let name, let isUnknown):
      (names.count == 1
        ? "the base also uses \(names[0]) as its head, and the adapter changes only the embedding"
        : "\(Self.listed(names)) are tied in the base, and the adapter changes "
          + (changed.count > 1 ? "each in its own way" : "only \(Self.listed(changed))"))
        + (isUnknown
          ? "; the name of a separate head is unknown for its class" : "; \(name ?? "its class") has no separate head")
    case .twins(let kept, let other, let name):
      "\(kept) and \(other) are one tensor in \(name ?? "its class"), and the adapter changes only "
        + kept
    case .lostReplacement(let field): "missing in the adapter, but \(field) says that it was trained"
    case .missingOutProj(let output): "the input half of a MultiheadAttention; the adapter has no \(output)"
    case .noSuchLayer(let layer): "layer_replication copies layer \(layer), which the base doesn't have"
    case .tooManyLayers(let limit): "layer_replication makes more than \(limit) layers"
    case .tooManyTensors(let count, let limit):
      "layer_replication makes \(count) tensors; at most \(limit) are supported"
    case .replacedAndChanged(let target, let other):
      "one adapter replaces \(target), and \(other) changes it"
    case .replicationOfSeveral: "layer_replication cannot be merged together with other adapters"
    case .ambiguousExperts:
      "its column order is not recorded: by rank, as in PEFT, or by expert, as in older Unsloth"
    case .groupedConvolution(let target):
      "\(target) of the base is a grouped convolution, which PEFT cannot merge either"
    case .rotatedWindows(let target):
      "\(target): the adapter rotates overlapping windows of the input, which a weight can't express; PEFT's own merge "
        + "computes something else"
    case .weightInBias(let target):
      "the adapter adds a product with \(target) to the bias, which is supported for weights of F32, F16 or BF16 that it "
        + "does not replace"
    case .groupedScaling(let target):
      "\(target) of the base is a grouped convolution; scaling its input channels is not supported"
    case .weightedReplacement(let weight):
      "replaces a tensor of the base, so a weight of \(weight) has no meaning for it"
    case .weightWithoutScaling(let method, let weight):
      "\(method) multiplies the base's weight, so a weight of \(weight) for the adapter has no meaning"
    case .mixedDTypes(let target, let found, let other):
      "\(target) of the base is \(found.name), and others that the adapter changes are \(other.name): PEFT draws its random "
        + "numbers in their dtype, which is not one here"
    case .replacementDType(let target, let found, let expected):
      "the dtype is \(found.name), but \(target) of the base is \(expected.name)"
    case .newTensor(let target, let candidates):
      "the base has no tensor \(target)"
        + (candidates.isEmpty ? "" : "; nearest: \(candidates.joined(separator: ", "))")
    case .rowOutside(let row, let target, let rows): "replaces row \(row), but \(target) of the base has \(rows) rows"
    case .rowTwice(let row, let target): "replaces row \(row) of \(target) twice"
    case .vocabularyUnknown(let rows, let newRows):
      "\(rows) rows in the base and \(newRows) in the adapter, but no vocab_size in config.json is \(rows)"
    case .vocabularies(let embedding, let rows, let headRows):
      "the output would have \(headRows) rows here and \(rows) in \(embedding)"
    case .noBias(let target): "lora_bias needs the tensor \(target), which the base doesn't have"
    case .targetHitTwice(let target, let other): "changes \(target), and so does \(other)"
    case .shape(let factor, let found, let target, let expected):
      "the adapter does not fit this base: \(factor) is \(found), but \(target) of the base is \(expected)"
    case .storedTransposed(let target, let shape):
      "\(target) of the base is \(shape), which fits the factors only if it is stored as (in, out), like GPT-2's Conv1D, "
        + "and nothing indicates that it is"
    case .maybeTransposed(let target, let shape):
      "\(target) of the base is \(shape), and neither model family, other weights nor adapter tell whether it is stored as "
        + "(out, in), like a Linear, or as (in, out), like GPT-2's Conv1D"
    case .adapterTensor(let isBase):
      isBase
        ? "part of an adapter: this model was saved with an adapter in it"
        : "part of an adapter, and would be written into the model as a separate tensor"
    case .targetDType(let target, let found):
      "\(target) of the base is \(found.name); expected F32, F16 or BF16"
    case .quantizedBase(let method):
      "quantization method \"\(method)\": merging into such weights is not supported"
    case .arithmeticOfFile:
      "--arithmetic peft repeats the roundings of PEFT, which merges no adapter that is one file without a config"
    case .quantizedScheme(let what): "a quantized weight with \(what) is not supported"
    case .quantizationField(let field, let reason): "\(field): \(reason)"
    case .besideCodes(let weight): "an unknown tensor beside the quantized weight \(weight)"
    case .undescribedCodes(let what):
      "quantized (\(what)), but neither config.json nor another file describes how"
    case .quantizedPart(let part, let found?, let expected): "its \(part) is \(found); expected \(expected)"
    case .quantizedPart(let part, nil, let expected): "the base has no \(part); expected \(expected)"
    case .requantizing(let what): "--requantize is not supported for \(what)"
    case .unscaledFP8(let dtype):
      "\(dtype.name) without a scale, as its file has it: in 16 bits ComfyUI would cast the changed weight to FP8 when it loads "
        + "the file"
    case .staysFP8(let what): "the file stays in FP8, which is not supported for \(what)"
    case .training(let what): "--qlora is not supported for \(what)"
    case .decomposition(let change, let what):
      "\(change.rawValue) subtracts a part of the base's weight first, which is not supported with \(what)"
    case .normalizedEmbedding(let module, let type):
      "updates \(module), which \(type) normalizes before PEFT adds the update, so no merged weight has the same effect"
    case .bypassed(let module, let name):
      "updates \(module), but \(name) reads that weight without calling the module, so the update was never trained and "
        + "has no effect"
    case .partlyBypassed(let module, let name):
      "updates \(module), but \(name) also reads that weight without calling the module, so no merged weight has the same "
        + "effect"
    case .name(let problem): problem.message
    case .slicedChange(let target, let what):
      "\(target) is only a part of a tensor of the base, where \(what) is not supported"
    case .padding(let target, let from, let to, let reason):
      "\(target) is to be padded from \(from) to \(to) first, but \(reason)"
    case .dividedPipeline:
      "the base is a pipeline of diffusers, whose parts keep their files; other sizes of files are not supported"
    case .adapterTensorsUnused(let count): "\(count) tensors of the adapter would not be used"
    }
  }

  public var candidates: [String] {
    switch problem {
    case .noTarget(_, let candidates, _), .newTensor(_, let candidates), .noModule(_, _, let candidates, _): candidates
    case .name(let problem): problem.candidates
    default: []
    }
  }

  /// What the adapter says about its base.
  private var named: String { adapterBase.map { " The adapter names \"\($0)\"." } ?? "" }

  /// `a`, `a and b`, `a, b and c`.
  static func listed(_ names: [String]) -> String {
    guard let last = names.last, names.count > 1 else { return names.first ?? "" }
    return names.dropLast().joined(separator: ", ") + " and " + last
  }

  public var hint: String? {
    switch problem {
    case .noTarget: "is it another base?\(named) Renamed modules: --map REGEX=REPLACEMENT"
    case .noPart(_, let known):
      known.isEmpty ? "one weight for all: ADAPTER=0.5" : "its parts: \(known.joined(separator: ", "))"
    case .noModule: "is it another base?\(named)"
    case .shape: "is it another base?\(named)"
    case .tied(let names, _, let editsConfig):
      "--tied split unties them"
        + (editsConfig ? " and edits config.json" : ", which transformers before release 5 does not load")
        + "; --tied shared changes \(names.count == 2 ? "both" : "all"), which the adapter did not"
    case .inseparable(let names, _, _, let isUnknown):
      "--tied shared changes \(names.count > 2 ? "all" : "both"), which the adapter did not"
        + (isUnknown ? "; or add a head to the base first" : "")
    case .twins: "--tied shared changes both, which the adapter did not"
    case .arithmeticOfFile: "leave out --arithmetic peft: every delta is added and rounded once"
    case .rotatedWindows: "--arithmetic peft merges it as PEFT does"
    case .newTensor: "--add-tensors adds tensors that the base doesn't have, such as a classification head"
    case .partlyBypassed: "remove the module from the adapter"
    case .normalizedEmbedding: "run the adapter with PEFT, or remove the embedding from it"
    case .bypassed: "remove the module from the adapter; its tensors have no effect"
    case .name(let problem): problem.hint
    case .ambiguousExperts: "use --expert-layout rank_major or --expert-layout grouped_by_expert"
    case .storedTransposed:
      "if the model's code has a Conv1D here, use --fan-in-fan-out true; otherwise this is another base"
    case .maybeTransposed:
      "use --fan-in-fan-out true if the model's code has a Conv1D here, or false if it has a Linear"
    case .adapterTensor(true): "merge that adapter first, or use the model that it was saved from"
    case .adapterTensor(false): "please report this with the names of the adapter's tensors"
    case .replacedAndChanged: "merge the adapters one after the other"
    case .unscaledFP8(let dtype):
      "--dtype bf16 decodes the whole file"
        + (dtype == .f8E4M3 ? "; --requantize writes changed weights as \(dtype.name) again, rounded" : "")
    case .staysFP8: "--dtype bf16 decodes the whole file"
    case .requantizing: "without --requantize, merged weights are written in 16 bits"
    case .dividedPipeline: "leave out --max-shard-size and --single-file"
    case .quantizedBase, .quantizedScheme, .quantizationField, .besideCodes, .undescribedCodes:
      "merge into the model's original 16-bit weights"
    default: nil
    }
  }
}
