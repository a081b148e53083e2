import JSONText
import Safetensors

/// Evidence of how weights are stored, from the shapes of those that are not square.
struct OrientationEvidence {
  private var byLeaf: [Substring: Set<WeightOrientation>] = [:]
  private var byBlock: [Substring: Set<WeightOrientation>] = [:]
  private var all: Set<WeightOrientation> = []

  /// Whether any weight is stored (in, out).
  var hasTransposed: Bool { all.contains(.transposed) }
  /// Whether any is stored (out, in).
  var hasPlain: Bool { all.contains(.plain) }

  /// What modules of this name are; nil: none tells, or two contradict each other.
  func ofModules(named place: ModulePlace) -> WeightOrientation? { Self.unanimous(byLeaf[place.leaf]) }

  /// What the other modules of a block are.
  func ofBlock(_ block: Substring) -> WeightOrientation? { Self.unanimous(byBlock[block]) }

  /// What the modules with Conv1D's names are.
  var ofConv1DNames: WeightOrientation? {
    Self.unanimous(ModulePlace.conv1DNames.reduce(into: []) { $0.formUnion(byLeaf[$1] ?? []) })
  }

  mutating func add(_ orientation: WeightOrientation, of module: String) {
    let place = ModulePlace(module)
    byLeaf[place.leaf, default: []].insert(orientation)
    if !place.block.isEmpty { byBlock[place.block, default: []].insert(orientation) }
    all.insert(orientation)
  }

  /// What the base alone tells: a bias is as long as the output; and of layers that read or write the model's width, their
  /// name says which.
  init(_ base: BaseTensors, config: JSONValue?, width: Int?) {
    let widths = Set(Self.widthKeys.compactMap { Self.count($0, config) } + [width].compactMap { $0 })
    let hasBiases = base.names.contains { $0.string.hasSuffix(".bias") }
    for entry in base.files.joined() where entry.owner == nil {
      let (name, shape) = (entry.name.string, entry.info.shape)
      guard shape.count == 2, shape[0] != shape[1], name.utf8.reversed().starts(with: ".weight".utf8.reversed())
      else { continue }
      let module = String(decoding: name.utf8.dropLast(".weight".utf8.count), as: UTF8.self)
      if hasBiases, let bias = base.entry(TensorName(module + ".bias"))?.info.shape, bias.count == 1 {
        if bias[0] == shape[0] { add(.plain, of: module) }
        if bias[0] == shape[1] { add(.transposed, of: module) }
      } else if let found = Self.orientation(ModulePlace(module), shape, widths) {
        add(found, of: module)
      }
    }
  }

  /// Layers that read the model's width and write another: of these the names are certain.
  private static let readers: Set<Substring> = ["c_attn", "c_fc", "gate_proj", "up_proj", "gate_up_proj"]
  private static let widthKeys = ["n_embd", "hidden_size", "d_model", "dim"]

  private static func orientation(
    _ place: ModulePlace, _ shape: [Int], _ widths: Set<Int>
  ) -> WeightOrientation? {
    let isReader = readers.contains(place.leaf)
    guard isReader || place.leaf == "down_proj" || (place.leaf == "c_proj" && place.block == "mlp") else { return nil }
    switch (widths.contains(shape[0]), widths.contains(shape[1])) {
    case (true, false): return isReader ? .transposed : .plain
    case (false, true): return isReader ? .plain : .transposed
    default: return nil
    }
  }

  private static func count(_ key: String, _ config: JSONValue?) -> Int? {
    guard case .integer(let value)? = config?[key] else { return nil }
    return Int(exactly: value)
  }

  private static func unanimous(_ found: Set<WeightOrientation>?) -> WeightOrientation? {
    found?.count == 1 ? found?.first : nil
  }
}
