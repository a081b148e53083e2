import Adapters
import ImageModels
import Safetensors

/// What `ls` tells of an adapter that is one file, beside its modules.
struct AdapterFacts: Sendable {
  /// How often a value occurs.
  struct Count<Value: Sendable>: Sendable {
    let value: Value
    let modules: Int
  }

  /// The tensors of one dtype.
  struct DTypeSum: Sendable {
    let dtype: DType
    let tensors: Int
    let bytes: Int
  }

  let file: FileDescription
  /// The model that it was made for, by the names of its modules.
  let model: AdapterModel
  /// The most frequent first; nil: modules whose method has none, or that state none.
  let ranks: [Count<Int?>]
  let alphas: [Count<Double?>]
  /// In the order of ``DType``.
  let dtypes: [DTypeSum]
  let moduleCount: Int
  let bytes: Int

  /// Nil: the adapter is a folder with a config.
  init?(_ adapter: Adapter) {
    guard let file = adapter.file else { return nil }
    self.file = file
    let modules = adapter.updates.map { update in
      // A parameter such as `modulation` has a name of its own, as modules have.
      if case .parameter(let leaf) = update.target, leaf != "bias" {
        return AdapterModel.Module(name: "\(update.module).\(leaf)", columns: nil)
      }
      return AdapterModel.Module(name: update.module, columns: update.inFeatures)
    }
    let replaced = adapter.replacements.map { AdapterModel.Module(name: $0.target, columns: nil) }
    model = AdapterModel(modules + replaced)
    moduleCount = modules.count + replaced.count
    ranks = Self.counts(adapter.updates.map(\.rank)) { $0 ?? -1 }
    alphas = Self.counts(adapter.updates.map(\.alpha)) { $0 ?? -.infinity }
    var sums: [DType: (tensors: Int, bytes: Int)] = [:]
    for tensor in adapter.header.tensors {
      sums[tensor.dtype, default: (0, 0)].tensors += 1
      sums[tensor.dtype, default: (0, 0)].bytes += tensor.byteCount
    }
    dtypes = sums.sorted { $0.key < $1.key }.map {
      DTypeSum(dtype: $0.key, tensors: $0.value.tensors, bytes: $0.value.bytes)
    }
    bytes = adapter.header.dataByteCount
  }

  private static func counts<Value: Hashable & Sendable, Order: Comparable>(
    _ values: [Value], order: (Value) -> Order
  ) -> [Count<Value>] {
    Dictionary(values.map { ($0, 1) }, uniquingKeysWith: +).map { Count(value: $0.key, modules: $0.value) }
      .sorted { $0.modules == $1.modules ? order($0.value) < order($1.value) : $0.modules > $1.modules }
  }
}
