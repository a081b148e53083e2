import AdapterWriting
import ImageModels
import JSONText
import LowRank
import Platform
import Safetensors
import TileKernels

/// The work for one parameter of an image or video model: its change becomes two factors, or stays the difference that it is.
struct ImageExtraction: Sendable {
  let parameter: ImageParameter
  let base: ImageSide
  let tuned: ImageSide
  let search: SingularSearch
  let dtype: DType
  let kernels: KernelSet

  init(_ parameter: ImageParameter, base: ImageSide, tuned: ImageSide, _ options: ExtractionOptions) {
    self.parameter = parameter
    self.base = base
    self.tuned = tuned
    search = options.search
    dtype = options.dtype
    kernels = options.kernels
  }

  private var tensor: TensorName { parameter.tuned.runs[0].tensor }
  private var path: String { tuned.path(of: tensor) }

  var unit: AdapterUnit {
    let inputs =
      parameter.base.runs.map { base.path(of: $0.tensor) } + parameter.tuned.runs.map { tuned.path(of: $0.tensor) }
    return AdapterUnit(
      name: parameter.name, cost: max(1, parameter.tuned.shape.reduce(1, *)), inputs: inputs.uniqued
    ) { try make() }
  }

  /// Whether both are whole tensors with the same bytes.
  private func areSame() throws -> Bool {
    let (one, other) = (parameter.base, parameter.tuned)
    guard one.isWhole, other.isWhole else { return false }
    return try base.hasSameBytes(one.runs[0].tensor, as: tuned, other.runs[0].tensor)
  }

  private func make() throws -> AdapterUnit.Result {
    let nothing = AdapterUnit.Result(tensors: [])
    guard !parameter.tuned.shape.contains(0), try !areSame() else { return nothing }
    let change: any MatrixRows
    switch tuned.change(of: parameter.tuned) {
    case .nothing?: return nothing
    case .addition(let rows)?: change = try rows()
    case .something?, nil:
      change = RowDifference(
        base: try base.rows(of: parameter.base), tuned: try tuned.rows(of: parameter.tuned), kernels: kernels)
    }
    switch parameter.form {
    case .factors(let module):
      let factors: LowRankFactors
      do { factors = try search.factors(of: change, name: module) } catch let error as LowRankError {
        throw error.of(path: path, tensor: tensor.string)
      }
      guard factors.total > 0 else { return nothing }
      return AdapterUnit.Result(
        tensors: try tensors(factors, module), facts: ModuleFacts(module, factors).json)
    case .difference(let key):
      var values: [Float] = []
      try change.read(0..<change.rows, into: &values)
      guard values.contains(where: { $0 != 0 }) else { return nothing }
      return AdapterUnit.Result(tensors: [try tensor(key, parameter.tuned.shape, values)])
    }
  }

  /// The factors as sd-scripts and ComfyUI name them. The alpha is the rank, so that nothing scales them.
  private func tensors(_ factors: LowRankFactors, _ module: String) throws -> [AdapterTensor] {
    let shape = parameter.tuned.shape
    let ones = shape.dropFirst(2).map { _ in 1 }
    let alpha = Float(factors.rank).bitPattern
    return [
      try tensor(module + ".lora_down.weight", [factors.rank] + shape.dropFirst(), factors.right.elements),
      try tensor(module + ".lora_up.weight", [shape[0], factors.rank] + ones, factors.left.transposed.elements),
      try AdapterTensor(
        name: module + ".alpha", dtype: .f32, shape: [],
        bytes: (0..<4).map { UInt8(truncatingIfNeeded: alpha >> (8 * $0)) }),
    ]
  }

  private func tensor(_ name: String, _ shape: [Int], _ values: [Float]) throws -> AdapterTensor {
    try AdapterTensor(name: name, dtype: dtype, shape: shape, values: values, kernels: kernels, path: path)
  }
}
