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
  package let units: [AdapterUnit]
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
    for tensor in conversion.tensors {
      if case .copy(let index) = tensor.content {
        document.copies.append(
          try CopiedTensor(
            name: tensor.name, header.tensors[index], path: adapter.weightsPath, header: header, shape: tensor.shape))
        continue
      }
      units.append(
        AdapterUnit(name: tensor.name, cost: tensor.shape.reduce(1, *)) {
          AdapterUnit.Result(tensors: [
            try AdapterTensor(
              name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, bytes: try tensor.bytes(source))
          ])
        })
    }
    document.metadata = conversion.metadata
    if let config = conversion.config { document.texts = [(PEFTLayout.configName, config)] }
    document.judge = { path in _ = try Adapter(path: path) }
    self.conversion = conversion
    self.units = units
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
