/// The element types of safetensors 0.8.0, in its order, which governs the order of tensors in a file.
public enum DType: UInt8, CaseIterable, Comparable, Sendable {
  case bool, f4, f6E2M3, f6E3M2, u8, i8, f8E5M2, f8E4M3, f8E8M0, f8E4M3FNUZ, f8E5M2FNUZ
  case i16, u16, f16, bf16, i32, u32, f32, c64, f64, i64, u64

  /// The name in a header, such as "BF16".
  public var name: String {
    switch self {
    case .bool: "BOOL"
    case .f4: "F4"
    case .f6E2M3: "F6_E2M3"
    case .f6E3M2: "F6_E3M2"
    case .u8: "U8"
    case .i8: "I8"
    case .f8E5M2: "F8_E5M2"
    case .f8E4M3: "F8_E4M3"
    case .f8E8M0: "F8_E8M0"
    case .f8E4M3FNUZ: "F8_E4M3FNUZ"
    case .f8E5M2FNUZ: "F8_E5M2FNUZ"
    case .i16: "I16"
    case .u16: "U16"
    case .f16: "F16"
    case .bf16: "BF16"
    case .i32: "I32"
    case .u32: "U32"
    case .f32: "F32"
    case .c64: "C64"
    case .f64: "F64"
    case .i64: "I64"
    case .u64: "U64"
    }
  }

  /// Bits an element; below 8 several elements share a byte.
  public var bitCount: Int {
    switch self {
    case .f4: 4
    case .f6E2M3, .f6E3M2: 6
    case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E8M0, .f8E4M3FNUZ, .f8E5M2FNUZ: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }

  private static let byName = Dictionary(uniqueKeysWithValues: allCases.map { ($0.name, $0) })

  /// The type that a header calls `name`; nil for every other spelling.
  public init?(name: String) {
    guard let dtype = Self.byName[name] else { return nil }
    self = dtype
  }

  /// The size of a shape's elements in a file.
  public enum Extent: Equatable, Sendable {
    case bytes(Int)
    /// Elements or bits do not fit 64 bits.
    case overflow
    /// The last element ends inside a byte.
    case partialByte
  }

  /// The bytes of a tensor of this type.
  ///
  /// Products run left to right in 64 bits unsigned, as in safetensors 0.8.0: an early 0 hides a later overflow, a late
  /// one does not.
  ///
  /// - Parameter shape: Elements by dimension, none negative.
  public func extent(shape: some Sequence<some BinaryInteger>) -> Extent {
    var bits: UInt64 = 1
    for dimension in shape {
      let (product, overflow) = bits.multipliedReportingOverflow(by: UInt64(dimension))
      if overflow { return .overflow }
      bits = product
    }
    let (product, overflow) = bits.multipliedReportingOverflow(by: UInt64(bitCount))
    if overflow { return .overflow }
    return product % 8 == 0 ? .bytes(Int(product / 8)) : .partialByte
  }

  public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
