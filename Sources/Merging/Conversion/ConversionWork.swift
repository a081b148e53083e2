import AdapterConversion
import AdapterWriting
import Adapters
import Checkpoints
import MergePlanning
import Platform
import Safetensors
import Staging

/// What is to be written of a converted adapter: tensors that are copied, and units that make the others.
package struct ConversionWork: Sendable {
  package let conversion: AdapterConversion
  /// A unit for each module with a tensor that is not copied.
  package let units: [AdapterUnit]
  /// Tensors that the units make.
  package let computedTensorCount: Int
  /// With the copied tensors, the texts, and a judge that opens the written adapter.
  package let document: AdapterDocument

  /// Converts in memory and from headers.
  ///
  /// - Parameter base: The model that the adapter was made for; nil: none is given.
  /// - Throws: `ConversionError` for what the dialect cannot hold.
  package init(_ adapter: Adapter, to dialect: AdapterDialect, base: Checkpoint?) throws {
    let model = base?.imageModel
    if base != nil, model == nil, !dialect.isFolder || adapter.isFile {
      throw ConversionError.notAnImageModel(adapter, dialect)
    }
    let conversion = try AdapterConversion(adapter, to: dialect, base: model)
    let source = try FactorSource(adapter)
    let header = adapter.header
    var units: [AdapterUnit] = []
    var document = AdapterDocument()
    var scalings = WrittenScalings()
    for module in conversion.modules {
      if let first = module.tensors.first, let scaling = module.scaling {
        scalings.expect(scaling, of: TensorName(first.name))
      }
      var computed: [ConvertedTensor] = []
      for tensor in module.tensors {
        guard case .copy(let index) = tensor.content else {
          computed.append(tensor)
          continue
        }
        document.copies.append(
          try CopiedTensor(
            name: tensor.name, header.tensors[index], path: adapter.weightsPath, header: header, shape: tensor.shape))
      }
      guard !computed.isEmpty else { continue }
      let cost = computed.reduce(0) { $0 + $1.shape.reduce(1, *) }
      units.append(
        AdapterUnit(name: module.name, cost: cost) { [computed] in
          AdapterUnit.Result(
            tensors: try computed.map { tensor in
              try AdapterTensor(
                name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, bytes: try tensor.bytes(source))
            })
        })
    }
    document.metadata = conversion.metadata
    if let config = conversion.config { document.texts = [(PEFTLayout.configName, config)] }
    document.judge = { [scalings] path in try scalings.check(path) }
    self.conversion = conversion
    self.units = units
    computedTensorCount = conversion.modules.reduce(0) { $0 + $1.tensors.count } - document.copies.count
    self.document = document
  }

  /// What decides the result.
  ///
  /// - Parameter version: The program's.
  package static func identity(
    _ adapter: Adapter, to dialect: AdapterDialect, base: Checkpoint?, version: String,
    interruption: Interruption = .never
  ) throws -> MergeIdentity {
    try MergeIdentity(
      command: "convert", version: version,
      options: [MergeIdentity.Option(name: "to", value: dialect.rawValue)], adapters: [adapter],
      models: base.map { [$0] } ?? [], interruption: interruption)
  }
}
