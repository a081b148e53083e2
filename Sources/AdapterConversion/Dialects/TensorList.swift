import Adapters
import Safetensors

/// The tensors of a converted adapter as they are gathered.
struct TensorList {
  let table: TensorTable
  let path: String
  let dialect: AdapterDialect
  private(set) var tensors: [ConvertedTensor] = []

  init(table: TensorTable, path: String, dialect: AdapterDialect) {
    (self.table, self.path, self.dialect) = (table, path, dialect)
  }

  func failure(_ problem: ConversionError.Problem, _ module: ConvertedModule) -> ConversionError {
    ConversionError(path: path, problem, module: module.source)
  }

  /// Adds a matrix, as the tensor that it is where it is one.
  mutating func add(_ name: String, _ matrix: FactorMatrix, shape: [Int]) {
    let content = matrix.tensor(in: table).map { ConvertedTensor.Content.copy(tensor: $0) } ?? .matrix(matrix)
    tensors.append(ConvertedTensor(name: name, dtype: matrix.dtype, shape: shape, content: content))
  }

  /// Adds a tensor of the adapter as it is.
  mutating func add(_ name: String, copyOf tensor: Int) {
    tensors.append(
      ConvertedTensor(
        name: name, dtype: table.dtype(at: tensor), shape: table.shape(at: tensor), content: .copy(tensor: tensor)))
  }

  /// Adds a number: in F32, or in F64 where that is not exact.
  mutating func add(_ name: String, number: Double) {
    let isExact = Double(Float(number)) == number
    let bits: [UInt8] =
      isExact
      ? (0..<4).map { UInt8(truncatingIfNeeded: Float(number).bitPattern >> (8 * UInt32($0))) }
      : (0..<8).map { UInt8(truncatingIfNeeded: number.bitPattern >> (8 * UInt64($0))) }
    tensors.append(ConvertedTensor(name: name, dtype: isExact ? .f32 : .f64, shape: [], content: .bytes(bits)))
  }

  /// The shapes of a module's factors.
  ///
  /// - Throws: If they do not fit the weight.
  func shape(_ factors: ConvertedFactors, _ module: ConvertedModule) throws(ConversionError) -> FactorShape {
    guard let shape = FactorShape(factors, weightShape: module.weightShape) else {
      let found = "(\(factors.left.rows), \(factors.right.columns))"
      let expected = module.weightShape.map { "(\($0.map(String.init).joined(separator: ", ")))" } ?? "another"
      throw failure(.noPlace("its factors make a matrix of \(found), and the weight is \(expected)"), module)
    }
    return shape
  }
}
