import Checkpoints
import Safetensors

/// All of an adapter beside the tensors of its units: what is known when they are made.
public struct AdapterDocument: Sendable {
  /// The order of the tensors in the weights' file.
  public enum Order: Sendable {
    /// That of `safetensors`: by dtype, the widest first, then by name.
    case reference
    /// The units', each unit's in its order, then the copied ones, then ``AdapterDocument/tensors``.
    case given
  }

  /// Tensors of the inputs that are taken over as they are.
  public var copies: [CopiedTensor] = []
  /// Small tensors that are no unit's.
  public var tensors: [AdapterTensor] = []
  /// The metadata of the weights' file, in its order.
  public var metadata: [SafetensorsHeader.MetadataEntry] = [.init(key: "format", value: "pt")]
  public var order = Order.reference
  /// Other files of the adapter's folder, `adapter_config.json` among them: their names and contents. None where the adapter is
  /// one file.
  public var texts: [(name: String, bytes: [UInt8])] = []
  /// Files that are copied along, such as a tokenizer.
  public var sideFiles: [SideFiles.File] = []
  /// Judges the complete adapter, a folder or one file, before it has its name: usually by opening it again. What it throws is
  /// the run's error, and nothing is kept then.
  public var judge: (@Sendable (_ path: String) throws -> Void)?

  public init() {}
}
