/// A tensor in memory, as it is stored in a file.
public struct TensorData: Sendable, Equatable {
  public let name: TensorName
  public let dtype: DType
  /// Elements by dimension, row-major; empty for a single element.
  public let shape: [Int]
  /// As stored in a file: little-endian.
  public let bytes: [UInt8]

  /// A tensor of these bytes.
  ///
  /// - Parameters:
  ///   - name: The name in the file.
  ///   - dtype: The type of the elements.
  ///   - shape: Elements by dimension, row-major; empty for a single element.
  ///   - bytes: Little-endian and row-major, as many as `dtype` and `shape` need; a file with others is not written.
  public init(_ name: TensorName, _ dtype: DType, shape: [Int], bytes: [UInt8]) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.bytes = bytes
  }

  /// A tensor of these elements.
  ///
  /// - Parameters:
  ///   - name: The name in the file.
  ///   - elements: Row-major.
  ///   - shape: Nil for one dimension.
  ///   - dtype: F32, which keeps the elements, or F16 or BF16, to which each is rounded: to nearest, ties to even.
  /// - Throws: `sizeMismatch` if the elements are not as many as the shape says, `notFloats` for another dtype.
  public init(
    _ name: TensorName, _ elements: [Float], shape: [Int]? = nil, as dtype: DType = .f32
  ) throws(SafetensorsError) {
    let shape = shape ?? [elements.count]
    let tensor = try HeaderEncoder.Tensor(name: name, dtype: dtype, shape: shape)
    guard tensor.byteCount == elements.count * dtype.bitCount / 8 else {
      throw SafetensorsError(
        path: "",
        .sizeMismatch(
          shape: shape.map(UInt64.init), dtype: dtype, expected: UInt64(tensor.byteCount),
          found: UInt64(elements.count * dtype.bitCount / 8)), tensor: name)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(tensor.byteCount)
    func append(_ bits: some FixedWidthInteger) {
      for shift in stride(from: 0, to: bits.bitWidth, by: 8) { bytes.append(UInt8(truncatingIfNeeded: bits >> shift)) }
    }
    switch dtype {
    case .f32: for element in elements { append(element.bitPattern) }
    case .f16: for element in elements { append(FloatFormat.f16(element)) }
    case .bf16: for element in elements { append(FloatFormat.bf16(element)) }
    default: throw SafetensorsError(path: "", .notFloats(dtype), tensor: name)
    }
    self.init(name, dtype, shape: shape, bytes: bytes)
  }
}

extension SafetensorsFile {
  /// The elements of a tensor, row-major: those of an F32, F16 or BF16 exactly, those of an F64 rounded to the nearest.
  ///
  /// - Throws: `noSuchTensor`, `notFloats` for a dtype that is none of these, `changed`, `system`.
  public func floats(_ name: TensorName) throws(SafetensorsError) -> [Float] {
    guard let tensor = tensor(name) else { throw SafetensorsError(path: path, .noSuchTensor, tensor: name) }
    let count = tensor.elementCount
    let path = path
    return try withBytes(of: name) { (bytes) throws(SafetensorsError) -> [Float] in
      func elements<Bits: FixedWidthInteger & BitwiseCopyable>(
        _ type: Bits.Type, _ value: (Bits) -> Float
      ) -> [Float] {
        let byteCount = Bits.bitWidth / 8
        return unsafe [Float](unsafeUninitializedCapacity: count) { buffer, initializedCount in
          for index in 0..<count {
            let bits = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index * byteCount, as: type)
            unsafe buffer.initializeElement(at: index, to: value(Bits(littleEndian: bits)))
          }
          initializedCount = count
        }
      }
      switch tensor.dtype {
      case .f32: return elements(UInt32.self) { Float(bitPattern: $0) }
      case .f16: return elements(UInt16.self, FloatFormat.float(f16:))
      case .bf16: return elements(UInt16.self, FloatFormat.float(bf16:))
      case .f64: return elements(UInt64.self) { Float(Double(bitPattern: $0)) }
      default: throw SafetensorsError(path: path, .notFloats(tensor.dtype), tensor: name)
      }
    }
  }

  /// A tensor with its bytes.
  ///
  /// - Throws: `noSuchTensor`, `changed`, `system`.
  public func data(_ name: TensorName) throws(SafetensorsError) -> TensorData {
    guard let tensor = tensor(name) else { throw SafetensorsError(path: path, .noSuchTensor, tensor: name) }
    let bytes = try withBytes(of: name) { (bytes) throws(SafetensorsError) -> [UInt8] in
      unsafe bytes.withUnsafeBytes { unsafe Array($0) }
    }
    return TensorData(name, tensor.dtype, shape: tensor.shape, bytes: bytes)
  }
}

extension SafetensorsWriter {
  /// Writes `tensors` to `path`, whole or not at all; a file that was there is replaced.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - tensors: In any order.
  ///   - metadata: Written in the order of its keys; nil for none.
  /// - Throws: `sizeMismatch`, `overflow`, `partialByte`, `schema`, `duplicateKey`, `system`.
  public static func write(
    path: String, _ tensors: [TensorData], metadata: [String: String]? = nil
  ) throws(SafetensorsError) {
    var described: [(tensor: HeaderEncoder.Tensor, bytes: [UInt8])] = []
    for tensor in tensors {
      described.append(
        (try HeaderEncoder.Tensor(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape), tensor.bytes))
    }
    let entries = metadata?.sorted { TensorName($0.key) < TensorName($1.key) }
      .map { SafetensorsHeader.MetadataEntry(key: $0.key, value: $0.value) }
    try write(path: path, metadata: entries, tensors: described)
  }
}
