import AdapterConversion
import AdapterWriting
import Adapters
import Checkpoints
import MergeEngine
import MergePlanning
import Platform
import Safetensors
import Staging

/// A conversion of an adapter to another dialect, as it was asked for.
package struct ConversionRequest: Sendable {
  package let adapter: Adapter
  package let dialect: AdapterDialect
  /// The model that the adapter was made for; nil: none is given.
  package let base: Checkpoint?
  /// A folder, or a file whose name ends in `.safetensors`, as the dialect says.
  package let output: String
  package var force = false
  package var isDryRun = false
  package var breaksLock = false
  package var resumes = true
  package var workers = 1
  package var interruption = Interruption.never
  /// The program's version, on which the bytes of a result may depend.
  package var version = ""
  /// Folders that nothing may be written to.
  package var protectedPaths: [String] = []

  package init(_ adapter: Adapter, to dialect: AdapterDialect, base: Checkpoint? = nil, output: String) {
    (self.adapter, self.dialect, self.base, self.output) = (adapter, dialect, base, output)
  }

  /// Checks the output's place and converts, in memory and from headers.
  ///
  /// - Throws: `CheckpointError` for the place, `ConversionError` for what the dialect cannot hold.
  package func prepare() throws -> PreparedConversion {
    let inputs =
      [adapter.weightsPath, adapter.configPath] + (base.map { [$0.path] + $0.files.map(\.path) } ?? []) + protectedPaths
    let destination = try AdapterDestination(
      output, isFolder: dialect.isFolder, inputs: inputs, force: force, isDryRun: isDryRun, breaksLock: breaksLock)
    let model = base?.imageModel
    if base != nil, model == nil, dialect == .diffusers || dialect == .kohya || dialect == .comfyUI || adapter.isFile {
      throw ConversionError.notAnImageModel(adapter, dialect)
    }
    return PreparedConversion(
      request: self, conversion: try AdapterConversion(adapter, to: dialect, base: model), destination: destination)
  }
}
