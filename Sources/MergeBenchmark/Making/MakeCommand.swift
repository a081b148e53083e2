import ArgumentParser
import Platform
import Safetensors

struct MakeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "make",
    abstract: "Make a checkpoint with random weights, and an adapter for it.",
    discussion: """
      FOLDER gets the folders `base` and `adapter`, which safemerge, transformers and PEFT read. The same options and \
      seed make the same bytes.

      Examples:
        MergeBenchmark make /dev/shm/bench --size 1.2b --rank 16
        MergeBenchmark make /dev/shm/bench --size 1.2b --rank 64 --adapter r64 --adapter-only
        MergeBenchmark make /dev/shm/moe --size 1.2b --model moe --layers 3
        MergeBenchmark make /dev/shm/nf4 --size 1.2b --format nf4
        MergeBenchmark make /dev/shm/mxfp4 --size 1.2b --model gpt-oss --layers 3 --format mxfp4
        MergeBenchmark make /dev/shm/huge --size 1.4t --sparse --targets q,v --adapter-layers 2
      """)

  @Argument(help: "The folder, made if it is not there.", completion: .directory)
  var folder: String

  @OptionGroup var model: ModelOptions

  @Option(help: "The dtype of the base: bf16, f16 or f32.")
  var dtype = FloatDType.bf16

  @Option(
    help: "What the weights of linear layers are: plain, fp8-block or nf4; of gpt-oss's experts: plain or mxfp4.")
  var format = WeightFormat.plain

  @Option(help: "Files of the base. Default: 1; for --size 1.4t 1433.")
  var shards: Int?

  @Flag(help: "Make the base's data holes: real headers, no space taken.")
  var sparse = false

  @Option(help: "The adapter's rank.")
  var rank = 16

  @Option(help: "The adapter's lora_alpha. Default: twice the rank.")
  var alpha: Int?

  @Option(help: "What the adapter changes: all-linear, or names such as q,v.")
  var targets = "all-linear"

  @Option(help: "How many layers, from the first, the adapter changes. Default: all.")
  var adapterLayers: Int?

  @Flag(help: "Make a DoRA adapter.")
  var dora = false

  @Option(help: "The dtype of the adapter: bf16, f16 or f32.")
  var factorDtype = FloatDType.f32

  @Option(help: "The name of the adapter's folder.")
  var adapter = "adapter"

  @Flag(help: "Make the adapter only, for a base that was made with the same options.")
  var adapterOnly = false

  @Option(help: "The seed of all values.")
  var seed: UInt64 = 1

  @Flag(name: [.short, .long], help: "Print errors only.")
  var quiet = false

  func run() throws {
    let start = ContinuousClock.now
    let shape = try model.shape()
    let change = try AdapterShape(
      shape, rank: rank, alpha: alpha, isDoRA: dora, targets: targets, layers: adapterLayers)
    if sparse, format != .plain { throw BenchmarkError.sparseCodes }
    let (basePath, adapterPath) = (folder + "/base", folder + "/" + adapter)
    for path in adapterOnly ? [adapterPath] : [basePath, adapterPath] {
      let existing = try BenchmarkError.attempt(path) { () throws(SystemCalls.Failure) in
        try SystemCalls.identity(path: path, followingLinks: false)
      }
      if existing != nil { throw BenchmarkError.outputExists(path) }
    }
    try Folders.make(folder)
    if !adapterOnly { try makeBase(shape, at: basePath) }
    try makeAdapter(change, at: adapterPath)
    tell("made in \(Figures.seconds(ContinuousClock.now - start))")
  }

  private func tell(_ line: String) { if !quiet { print(line) } }

  private func makeBase(_ shape: ModelShape, at path: String) throws {
    let layout = try ShardLayout(
      format.tensors(of: shape), dtype: dtype.dtype, shardCount: shards ?? model.size.shardCount,
      elementCount: shape.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) })
    try Folders.make(path)
    let maker = CheckpointMaker(seed: seed, isSparse: sparse, workers: Processor.count)
    for shard in layout.shards { try maker.write(shard.tensors, to: path + "/" + shard.name) }
    try SmallFile.write(path + "/config.json", shape.configText(dtype: dtype.dtype, format: format))
    if let index = layout.indexText { try SmallFile.write(path + "/model.safetensors.index.json", index) }
    let tensors = layout.shards.reduce(0) { $0 + $1.tensors.count }
    tell(
      "\(path): \(shape.family.rawValue), \(layout.elementCount) parameters in \(tensors) tensors, "
        + "\(layout.byteCount) bytes of \(dtype.rawValue)\(format == .plain ? "" : " and \(format.rawValue)") in \(layout.shards.count) files"
    )
  }

  private func makeAdapter(_ change: AdapterShape, at path: String) throws {
    let layout = try ShardLayout(change.tensors, dtype: factorDtype.dtype, shardCount: 1)
    try Folders.make(path)
    let maker = CheckpointMaker(seed: seed &+ 1, isSparse: false, workers: Processor.count)
    for shard in layout.shards { try maker.write(shard.tensors, to: path + "/adapter_model.safetensors") }
    try SmallFile.write(path + "/adapter_config.json", change.configText(layers: adapterLayers))
    tell(
      "\(path): \(change.isDoRA ? "DoRA" : "LoRA") of rank \(change.rank) for \(change.modules.count) modules, "
        + "\(layout.byteCount) bytes of \(factorDtype.rawValue)")
  }
}

/// A model's sizes: a shape to start from, and numbers that replace its own.
struct ModelOptions: ParsableArguments {
  @Option(help: "The sizes to start from: \(ModelSize.allCases.map(\.rawValue).joined(separator: ", ")).")
  var size = ModelSize.medium

  @Option(help: "llama, moe (Mixtral) or gpt-oss. Default: llama; for --size 1.4t moe.")
  var model: ModelFamily?

  @Option(help: "Layers.")
  var layers: Int?

  @Option(help: "The width of the model.")
  var hidden: Int?

  @Option(help: "The width of the feed-forward layers.")
  var intermediate: Int?

  @Option(help: "Tokens.")
  var vocab: Int?

  @Option(help: "Attention heads.")
  var heads: Int?

  @Option(help: "Heads of keys and values.")
  var kvHeads: Int?

  @Option(help: "Experts of a layer (moe, gpt-oss).")
  var experts: Int?

  func shape() throws(BenchmarkError) -> ModelShape {
    var shape = size.shape(model)
    if let layers { shape.layers = layers }
    if let hidden { shape.hidden = hidden }
    if let intermediate { shape.intermediate = intermediate }
    if let vocab { shape.vocabulary = vocab }
    if let heads { shape.heads = heads }
    if let kvHeads { shape.keyValueHeads = kvHeads }
    if let experts { shape.experts = experts }
    try shape.validate()
    return shape
  }
}

/// The dtypes that are made.
enum FloatDType: String, CaseIterable, ExpressibleByArgument {
  case bf16, f16, f32

  var dtype: DType {
    switch self {
    case .bf16: .bf16
    case .f16: .f16
    case .f32: .f32
    }
  }
}

extension ModelSize: ExpressibleByArgument {}
extension ModelFamily: ExpressibleByArgument {}
extension WeightFormat: ExpressibleByArgument {}
