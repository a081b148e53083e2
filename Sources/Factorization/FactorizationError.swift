import Platform

/// The reason that no adapter can be made of two models, or of another adapter.
public struct FactorizationError: ReportableError, Equatable {
  /// What is wrong.
  public enum Problem: Equatable, Sendable {
    /// The models have the same weights.
    case noChange
    /// No matrix matches `--target`, or `--exclude` takes all of them.
    case nothingTargeted
    /// A model of this kind is not read, such as a quantized one.
    case kind(String, hint: String)
    /// The models are of these architectures.
    case architecture(base: String, tuned: String)
    /// A parameter of this kind differs, and an adapter cannot hold its change.
    case other(String)
    /// The tensor has this shape in one model and that in the other.
    case shape(base: [Int], tuned: [Int])
    /// The tensor has a dtype that is not computed with.
    case dtype(String)
    /// A list of modules, such as the layers, has this many elements in one model and that in the other.
    case layers(list: String, base: Int, tuned: Int)
    /// Only the base has the tensor; with how many more there are.
    case missing(more: Int)
    /// A module of the adapter is not a product of two factors.
    case notLowRank(String)
    /// A module's factors are stored with rows and columns exchanged.
    case transposedFactors
    /// An adapter to resize that has no module with factors.
    case noProduct
    /// The adapter's updates are all zero.
    case zeroUpdates
  }

  public let path: String?
  /// The tensor or module; nil: the error is about the file.
  public let tensor: String?
  /// What is wrong.
  public let problem: Problem

  init(path: String?, tensor: String? = nil, _ problem: Problem) {
    self.path = path
    self.tensor = tensor
    self.problem = problem
  }

  public var file: String? { path }

  public var errorClass: String {
    switch problem {
    case .noChange, .nothingTargeted, .zeroUpdates: "no-change"
    case .shape, .layers: "shape"
    case .kind, .architecture, .other, .dtype, .missing, .notLowRank, .transposedFactors, .noProduct:
      "unsupported"
    }
  }

  public var category: ErrorCategory { .refusedInput }

  public var message: String {
    switch problem {
    case .noChange: "no tensor differs from the base's, so that there is nothing to extract"
    case .nothingTargeted: "no matrix is selected: --target matches none, or --exclude takes all"
    case .kind(let kind, _): "\(kind), which extract does not support"
    case .architecture(let base, let tuned):
      "the model is \(tuned), and the base is \(base); an adapter is of one architecture"
    case .other(let kind): "differs from the base, and an adapter cannot hold the change of \(kind)"
    case .shape(let base, let tuned):
      "the shape is \(NumberText.shape(tuned)), and the base's is \(NumberText.shape(base)); an adapter cannot hold the change"
    case .dtype(let name): "the dtype \(name) is not supported; extract reads F32, F16 and BF16"
    case .layers(let list, let base, let tuned):
      "\(list) has \(NumberText.counted(tuned, "element")) in the tuned model, and \(base) in the base; an adapter cannot hold the change"
    case .missing(let more):
      "the tuned model does not have this tensor of the base"
        + (more == 0 ? "" : " (and \(NumberText.counted(more, "other tensor")))")
    case .notLowRank(let kind): "the module's update is \(kind), and resize needs a product of two factors"
    case .transposedFactors: "the factors are stored transposed, as MLX does, and resize needs those of PEFT"
    case .noProduct: "the adapter has no product of two factors to resize"
    case .zeroUpdates: "the adapter changes nothing: the updates of all modules are zero"
    }
  }

  public var hint: String? {
    switch problem {
    case .noChange: "check that the second model is the tuned one"
    case .nothingTargeted: "list the names with: safemerge ls BASE"
    case .kind(_, let hint): hint
    case .architecture: "give the model that the tuned one was made of as the base"
    case .other, .missing, .shape: "--skip-other leaves such tensors out and lists them"
    case .layers:
      "give a base with the same layers; a model with replicated layers needs the adapter that it was tuned with"
    case .dtype: nil
    case .transposedFactors: "convert it first: safemerge convert ADAPTER --to peft -o OUTPUT"
    case .noProduct: "keep the adapter as it is, or merge it: safemerge merge BASE ADAPTER -o OUTPUT"
    case .zeroUpdates:
      "was it trained? lora_B is zero before the first step; safemerge ls ADAPTER --stats shows the factors"
    case .notLowRank:
      "make a LoRA of it first: safemerge convert ADAPTER --to lora --base BASE --energy 0.999 -o OUTPUT"
    }
  }
}
