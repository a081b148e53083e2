import AdapterConversion
import AdapterWriting
import Adapters
import Safetensors
import Staging

/// A conversion whose result is known but for its data.
package struct PreparedConversion: Sendable {
  package let request: ConversionRequest
  package let conversion: AdapterConversion
  /// Its place, locked unless nothing is written.
  package let destination: AdapterDestination

  /// The bytes of all tensors.
  package var byteCount: Int {
    conversion.tensors.reduce(0) { $0 + $1.shape.reduce(1, *) * $1.dtype.bitCount / 8 }
  }

  /// Writes the adapter, complete or not at all, and opens it again before it has its name.
  package func run(progress: (@Sendable (AdapterProgress) -> Void)? = nil) throws -> AdapterOutcome {
    let (adapter, header) = (request.adapter, request.adapter.header)
    let source = try FactorSource(adapter)
    var copies: [CopiedTensor] = []
    var units: [AdapterUnit] = []
    for tensor in conversion.tensors {
      if case .copy(let index) = tensor.content {
        copies.append(
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
    var document = AdapterDocument()
    document.copies = copies
    document.metadata = conversion.metadata
    if let config = conversion.config { document.texts = [("adapter_config.json", config)] }
    document.judge = { path in _ = try Adapter(path: path) }
    let identity = try MergeIdentity(
      command: "convert", version: request.version,
      options: [MergeIdentity.Option(name: "to", value: request.dialect.rawValue)], adapters: [adapter],
      models: request.base.map { [$0] } ?? [], interruption: request.interruption)
    return try AdapterWriter(
      units, weightsName: request.dialect.weightsName, workers: request.workers, interruption: request.interruption,
      resumes: request.resumes
    ).run(to: destination, as: identity, progress: progress) { _ in document }
  }
}
