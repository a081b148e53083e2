import CTensorScan
import Safetensors

/// Statistics of a tensor's elements.
///
/// ``minimum``, ``maximum``, ``mean`` and ``rootMeanSquare`` cover the finite elements and are nil if there are none.
/// Sums are taken in fp64 in an order that does not depend on threads or instruction sets. 64-bit integers beyond 2^53
/// are rounded to fp64 first.
public struct ElementFigures: Equatable, Sendable {
  public private(set) var elementCount = 0
  /// Elements that are 0, of either sign.
  public private(set) var zeroCount = 0
  public private(set) var nanCount = 0
  public private(set) var infinityCount = 0
  private var least = Double.infinity
  private var most = -Double.infinity
  private var sum = 0.0
  private var sumOfSquares = 0.0

  init() {}

  public var finiteCount: Int { elementCount - nanCount - infinityCount }
  public var minimum: Double? { finiteCount > 0 ? least : nil }
  public var maximum: Double? { finiteCount > 0 ? most : nil }
  public var mean: Double? { finiteCount > 0 ? sum / Double(finiteCount) : nil }
  /// The square root of the mean of the squares.
  public var rootMeanSquare: Double? {
    finiteCount > 0 ? (sumOfSquares / Double(finiteCount)).squareRoot() : nil
  }

  /// Adds the next elements; the order decides the last bits of the sums.
  mutating func add(_ other: ElementFigures) {
    elementCount += other.elementCount
    zeroCount += other.zeroCount
    nanCount += other.nanCount
    infinityCount += other.infinityCount
    least = min(least, other.least)
    most = max(most, other.most)
    sum += other.sum
    sumOfSquares += other.sumOfSquares
  }

  /// The figures of elements whose values are in a table.
  ///
  /// - Parameter counts: How often each value occurs in the tensor.
  init(values: [Double], counts: [UInt64]) {
    for (value, count) in zip(values, counts) where count > 0 {
      elementCount += Int(count)
      if value.isNaN {
        nanCount += Int(count)
      } else if value.isInfinite {
        infinityCount += Int(count)
      } else {
        if value == 0 { zeroCount += Int(count) }
        least = min(least, value)
        most = max(most, value)
        sum += value * Double(count)
        sumOfSquares += value * value * Double(count)
      }
    }
  }

  init(_ figures: cts_figures, elementCount: Int) {
    self.elementCount = elementCount
    zeroCount = Int(figures.zeros)
    nanCount = Int(figures.nans)
    infinityCount = Int(figures.infinities)
    least = figures.minimum
    most = figures.maximum
    sum = figures.sum
    sumOfSquares = figures.sum_squares
  }
}

/// The scan of the elements of a dtype.
enum ElementReader {
  case scan(cts_dtype)
  /// Bytes, each of which encodes one or two values of the table.
  case table([[Double]])

  /// Nil for types whose elements are not single numbers or span bytes.
  init?(_ dtype: DType) {
    switch dtype {
    case .f16: self = .scan(CTS_F16)
    case .bf16: self = .scan(CTS_BF16)
    case .f32: self = .scan(CTS_F32)
    case .f64: self = .scan(CTS_F64)
    case .i16: self = .scan(CTS_I16)
    case .u16: self = .scan(CTS_U16)
    case .i32: self = .scan(CTS_I32)
    case .u32: self = .scan(CTS_U32)
    case .i64: self = .scan(CTS_I64)
    case .u64: self = .scan(CTS_U64)
    case .f4: self = .table([ByteValues.f4(shift: 0), ByteValues.f4(shift: 4)])
    case .f6E2M3, .f6E3M2, .c64: return nil
    default:
      guard let values = ByteValues.values(of: dtype) else { return nil }
      self = .table([values])
    }
  }

  /// The figures of whole elements.
  func figures(_ bytes: RawSpan) -> ElementFigures {
    switch self {
    case .scan(let dtype):
      let width = [CTS_F16, CTS_BF16, CTS_I16, CTS_U16].contains(dtype) ? 2 : dtype.is32Bit ? 4 : 8
      let count = bytes.byteCount / width
      let figures = unsafe bytes.withUnsafeBytes { unsafe cts_scan(dtype, $0.baseAddress, count) }
      return ElementFigures(figures, elementCount: count)
    case .table(let tables):
      var counts = [UInt64](repeating: 0, count: 256)
      unsafe bytes.withUnsafeBytes { unsafe cts_count_bytes($0.baseAddress, $0.count, &counts) }
      var figures = ElementFigures()
      for values in tables { figures.add(ElementFigures(values: values, counts: counts)) }
      return figures
    }
  }
}

extension cts_dtype {
  fileprivate var is32Bit: Bool { [CTS_F32, CTS_I32, CTS_U32].contains(self) }
}
