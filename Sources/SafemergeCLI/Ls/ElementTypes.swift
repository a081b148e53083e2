import Safetensors

/// What the elements of a listed weight are: of a tensor its dtype, of quantized weights the name of the format.
enum ElementType: Hashable, Sendable {
  case dtype(DType)
  case format(String)

  var name: String {
    switch self {
    case .dtype(let dtype): dtype.name
    case .format(let name): name
    }
  }
}

/// Some element types: dtypes in one word, and the few formats that a model has.
struct ElementTypes: Equatable, Sendable {
  private var bits: UInt32 = 0
  /// In their order.
  private var formats: [String] = []

  mutating func insert(_ type: ElementType) {
    switch type {
    case .dtype(let dtype): bits |= 1 << UInt32(dtype.rawValue)
    case .format(let name): insert(name)
    }
  }

  private mutating func insert(_ format: String) {
    guard !formats.contains(format) else { return }
    formats.append(format)
    formats.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  mutating func formUnion(_ other: ElementTypes) {
    bits |= other.bits
    for format in other.formats { insert(format) }
  }

  /// Formats, then dtypes in the order of ``DType``.
  var names: [String] {
    formats + DType.allCases.filter { bits & 1 << UInt32($0.rawValue) != 0 }.map(\.name)
  }
}
