import AdapterWriting
import Adapters
import JSONText
import LowRank
import MergePlanning
import Platform
import Safetensors
import TileKernels

/// The work for the stacks of one module: the change of each expert's matrix becomes two factors.
///
/// PEFT wraps a module once for each parameter, so that the keys of one stack depend on whether another one of the module has changed:
/// they are made together.
struct ExpertExtraction: Sendable {
  private let module: String
  /// In the order in which the module of transformers registers them.
  private let pairs: [ModelChange.Pair]
  private let reading: ModelReading
  private let search: SingularSearch
  private let dtype: DType
  private let kernels: KernelSet

  /// The extractions of stacks, each of those of one module.
  static func all(
    _ pairs: [ModelChange.Pair], _ reading: ModelReading, _ options: ExtractionOptions
  ) -> [ExpertExtraction] {
    var modules: [String: [ModelChange.Pair]] = [:]
    for pair in pairs { modules[pair.tuned.module, default: []].append(pair) }
    return pairs.map(\.tuned.module).uniqued.map { ExpertExtraction($0, modules[$0] ?? [], reading, options) }
  }

  private init(
    _ module: String, _ pairs: [ModelChange.Pair], _ reading: ModelReading, _ options: ExtractionOptions
  ) {
    func place(_ pair: ModelChange.Pair) -> Int {
      let order = ParameterNesting.registrationOrder
      return order.firstIndex(of: pair.tuned.leaf) ?? order.count
    }
    self.module = module
    self.pairs = pairs.sorted { place($0) < place($1) }
    self.reading = reading
    search = options.search
    dtype = options.dtype
    kernels = options.kernels
  }

  var unit: AdapterUnit {
    let cost = pairs.reduce(0) { $0 + $1.tuned.tensor.shape.reduce(1, *) }
    return AdapterUnit(name: module, cost: max(1, cost), inputs: pairs.flatMap(reading.paths).uniqued) { try make() }
  }

  private func make() throws -> AdapterUnit.Result {
    var made: [(stack: ExpertStack, factors: StackFactors, path: String)] = []
    for pair in pairs where !pair.tuned.tensor.shape.contains(0) {
      guard try !reading.areSame(pair), let change = try reading.change(pair) else { continue }
      let stack = ExpertStack(pair.tuned, change)
      let path = reading.tuned.path(of: pair.tuned)
      do {
        let factors = try StackFactors(stack, search)
        if !factors.isNothing { made.append((stack, factors, path)) }
      } catch let error as LowRankError { throw error.of(path: path, tensor: pair.tuned.tensor.name.string) }
    }
    if made.isEmpty { return AdapterUnit.Result(tensors: []) }
    var tensors: [AdapterTensor] = []
    for (place, item) in made.enumerated() {
      let depth = made.count - 1 - place
      let name = ([PEFTLayout.prefix + module] + [String](repeating: "base_layer", count: depth))
        .joined(separator: ".")
      tensors += try self.tensors(item.stack, item.factors, name, path: item.path)
    }
    return AdapterUnit.Result(
      tensors: tensors, facts: ModuleFacts.json(made.map { ModuleFacts($0.stack.parameter, $0.factors) }))
  }

  private func tensors(
    _ stack: ExpertStack, _ factors: StackFactors, _ name: String, path: String
  ) throws -> [AdapterTensor] {
    let a = factors.adjacent(stack.isTransposed ? \.left : \.right)
    let b = factors.interleaved(stack.isTransposed ? \.right : \.left)
    return try [("lora_A", a), ("lora_B", b)].map { factor, values in
      try AdapterTensor(
        name: "\(name).\(factor).weight", dtype: dtype, shape: [values.count, values.length], values: values.elements,
        kernels: kernels, path: path)
    }
  }
}

extension LiveParameter {
  /// The last component of its name.
  var leaf: String { String(name.split(separator: ".").last ?? "") }
}
