/// All names of a component's modules, dotted and flat, in all schemes.
///
/// A flat name is the dotted one with an underscore for each dot. It is never turned back: two names that become the same are both
/// remembered, and a name that leads to two places is for the caller to refuse.
struct ModuleIndex: Sendable {
  /// The parameters that a name stands for: one, or several that differ.
  struct Slot: Sendable {
    var first = -1
    var others: [Int] = []

    var all: [Int] { first < 0 ? [] : [first] + others }
  }

  /// A module and its parameters.
  struct Module: Sendable {
    /// The dotted name, without the component's prefix.
    let name: String
    var weight = Slot()
    /// The parameter that has the module's name itself. A weight comes first: OpenCLIP's `text_projection` is, of transformers'
    /// names, a module that has the same numbers with rows and columns exchanged.
    var bare = Slot()
    var bias = Slot()
    var leaves: [(name: String, slot: Slot)] = []

    /// The parameter's places; none: the module has no such parameter.
    func slot(_ parameter: ModuleParameter) -> Slot {
      switch parameter {
      case .weight: weight.first < 0 ? bare : weight
      case .bias: bias
      case .leaf(let name): leaves.first { $0.name == name }?.slot ?? Slot()
      }
    }
  }

  private(set) var views: [NamedView] = []
  private(set) var modules: [Module] = []
  private var dotted: [String: Int] = [:]
  private var flat: [String: Int] = [:]
  private var otherFlat: [String: [Int]] = [:]
  /// What names of the component may lack at their beginning.
  private let optionalBeginning: String?

  init(optionalBeginning: String?, capacity: Int) {
    self.optionalBeginning = optionalBeginning
    dotted.reserveCapacity(capacity)
    flat.reserveCapacity(capacity)
    modules.reserveCapacity(capacity)
    views.reserveCapacity(capacity)
  }

  /// The modules that a dotted name is of.
  func modules(dotted name: String) -> [Int] { dotted[name].map { [$0] } ?? [] }

  /// The modules that a flat name is of.
  func modules(flat name: String) -> [Int] { flat[name].map { [$0] + (otherFlat[name] ?? []) } ?? [] }

  /// Registers parameters under their names.
  mutating func add(_ named: [NamedView]) {
    for view in named {
      let number = views.count
      views.append(view)
      add(view.name[...], number)
      if let beginning = optionalBeginning, view.name.hasPrefix(beginning) {
        add(view.name.dropFirst(beginning.count), number)
      }
    }
  }

  private mutating func add(_ name: Substring, _ view: Int) {
    let dot = name.lastIndex(of: ".")
    let leaf = dot.map { name[name.index(after: $0)...] } ?? name
    if let dot {
      let module = number(of: String(name[..<dot]))
      switch leaf {
      case "weight": modules[module].weight = adding(view, to: modules[module].weight)
      case "bias": modules[module].bias = adding(view, to: modules[module].bias)
      case "scale":
        modules[module].weight = adding(view, to: modules[module].weight)
        insert(view, leaf, of: module)
      default: insert(view, leaf, of: module)
      }
    }
    if leaf != "weight", leaf != "bias" {
      let module = number(of: String(name))
      modules[module].bare = adding(view, to: modules[module].bare)
    }
  }

  private mutating func insert(_ view: Int, _ leaf: Substring, of module: Int) {
    if let place = modules[module].leaves.firstIndex(where: { $0.name == leaf }) {
      modules[module].leaves[place].slot = adding(view, to: modules[module].leaves[place].slot)
    } else {
      modules[module].leaves.append((String(leaf), Slot(first: view)))
    }
  }

  private func isSame(_ one: Int, _ other: Int) -> Bool { one == other || views[one].view == views[other].view }

  private func adding(_ view: Int, to slot: Slot) -> Slot {
    guard slot.first >= 0 else { return Slot(first: view) }
    guard !slot.all.contains(where: { isSame($0, view) }) else { return slot }
    return Slot(first: slot.first, others: slot.others + [view])
  }

  /// The module of a dotted name, which is made where it is new.
  private mutating func number(of name: String) -> Int {
    if let number = dotted[name] { return number }
    let number = modules.count
    modules.append(Module(name: name))
    dotted[name] = number
    let flatName = Self.flattened(name)
    if flat[flatName] == nil {
      flat[flatName] = number
    } else {
      otherFlat[flatName, default: []].append(number)
    }
    return number
  }

  /// A dotted name as kohya's trainers write it.
  static func flattened(_ name: String) -> String {
    String(decoding: name.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
  }
}
