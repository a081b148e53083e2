import Adapters
import ImageModels
import ModelNames
import Safetensors

/// The modules of an image model's adapter under the names of another dialect.
struct ImageConversion {
  private(set) var modules: [ConvertedModule] = []

  init(_ adapter: Adapter, in model: ImageModel, to dialect: AdapterDialect) throws(ConversionError) {
    let table = adapter.header.tensors
    let path = adapter.weightsPath
    let naming = ModuleNaming(dialect: dialect, model: model)
    let shortens = adapter.file?.dialect == "diffusers attention processors"
    // Two updates of one module, such as those of weight and bias, have one name.
    var copied: [(name: String, tensors: CopiedTensors)] = []
    var factors: [LowRankModule] = []
    for update in adapter.updates {
      if let tensors = CopiedTensors(update, table) {
        copied.append((update.module, tensors))
      } else {
        var update = update
        // Files of kohya and ComfyUI have the change of a bias beside the factors, which nothing scales.
        if [.kohya, .comfyUI].contains(dialect), let bias = CopiedTensors(biasOf: update, table) {
          copied.append((update.module, bias))
          update.bias = nil
        }
        factors.append(try LowRankModule(update, table, path, dialect))
      }
    }
    if !factors.isEmpty {
      let search = try TargetSearch(
        factors.map(\.name), in: model, to: dialect, shortensOutput: shortens, path: path, scheme: naming.scheme)
      let fusion = FactorFusion(
        modules: factors, table: table, source: try FactorSource(adapter), path: path, dialect: dialect)
      for target in search.targets { try add(target, search, fusion, path, dialect) }
    }
    for (name, tensors) in copied {
      let search = try TargetSearch(
        [name], in: model, to: dialect, shortensOutput: shortens, path: path, scheme: naming.scheme)
      guard let target = search.targets.first, search.targets.count == 1, target.isWhole(search.rowCounts[0]) else {
        throw ConversionError(
          path: path,
          search.targets.count > 1
            ? .notSplit(what: tensors.kind.title)
            : .notFused(what: tensors.kind.title, into: search.targets.first?.module.name ?? ""), module: name)
      }
      modules.append(
        ConvertedModule(
          component: target.component, name: target.module.name, weightShape: target.module.placement.shape,
          source: name, content: .copied(tensors)))
    }
  }

  private mutating func add(
    _ target: PlacedTarget, _ search: TargetSearch, _ fusion: FactorFusion, _ path: String, _ dialect: AdapterDialect
  ) throws(ConversionError) {
    let sources = target.sources
    let factors: ConvertedFactors?
    if let only = sources.first, sources.count == 1, target.isWhole(search.rowCounts[only]) {
      factors = try fusion.whole(only)
    } else {
      let others = search.targets.filter { other in !Set(other.sources).isDisjoint(with: sources) }
      factors = try fusion.factors(target, among: others)
    }
    guard let factors else { return }
    modules.append(
      ConvertedModule(
        component: target.component, name: target.module.name, weightShape: target.module.placement.shape,
        source: fusion.modules[sources[0]].name, content: .lowRank(factors)))
  }
}
