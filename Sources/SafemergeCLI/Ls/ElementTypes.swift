import Safetensors

/// The element type of a listed weight: the dtype of a tensor, or the format of a quantized weight.
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

/// A set of element types: dtypes as bits of one word, and the few formats of a model.
struct ElementTypes: Equatable, Sendable {
  private var bits: UInt32 = 0
  /// In order.
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
