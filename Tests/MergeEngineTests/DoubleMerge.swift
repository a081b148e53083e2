import Adapters
import MergePlanning
import Safetensors
import TestSupport

/// A merge written down plainly, in double, with one rounding at the end: what every result must be close to.
///
/// It takes from the adapter what its keys and config say, and nothing from plan, engine and kernels.
struct DoubleMerge {
  struct Tensor {
    var shape: [Int]
    let dtype: DType
    var values: [Double]
    /// For each element the magnitudes that its value was summed from: an error of the sum is small beside this.
    var spread: [Double]
    var isComputed = false
    /// The values before any delta, of which DoRA takes norms.
    var original: [Double]
  }

  private(set) var tensors: [TensorName: Tensor] = [:]
  private let family: String
  private let options: MergeOptions
  private let mainDType: DType
  private let hasHead: Bool
  private let head: TensorName = "lm_head.weight"
  private let embedding: TensorName = "model.embed_tokens.weight"

  init(
    base: String, adapters: [(path: String, weight: Double)], options: MergeOptions = MergeOptions(),
    layers: [Int]? = nil
  ) throws {
    self.options = options
    family = base
    var sizes: [DType: Int] = [:]
    let files = try loadTensors(base)
    hasHead = files[head] != nil
    for (name, tensor) in files where [.f32, .f16, .bf16].contains(tensor.info.dtype) {
      sizes[tensor.info.dtype, default: 0] += tensor.data.count
      let made = Self.tensor(tensor.info, tensor.data, tensor.info.dtype)
      for copy in Self.copies(name, layers) { tensors[copy] = made }
    }
    mainDType = sizes.max { $0.value < $1.value }?.key ?? .f32
    for adapter in adapters { try add(try Adapter(folder: adapter.path), weight: adapter.weight) }
  }

  private static func copies(_ name: TensorName, _ layers: [Int]?) -> [TensorName] {
    var parts = name.string.split(separator: ".").map(String.init)
    guard let layers, parts.count > 2, parts[1] == "layers" else { return [name] }
    let own = parts[2]
    return layers.indices.filter { String(layers[$0]) == own }.map { copy in
      parts[2] = String(copy)
      return TensorName(parts.joined(separator: "."))
    }
  }

  private static func tensor(_ info: TensorInfo, _ data: ArraySlice<UInt8>, _ dtype: DType) -> Tensor {
    let values = Elements.numbers(Elements.bits(Array(data), info.dtype), info.dtype).map(Double.init)
    return Tensor(
      shape: info.shape, dtype: dtype, values: values, spread: [Double](repeating: 0, count: values.count),
      original: values)
  }

  private mutating func add(_ adapter: Adapter, weight: Double) throws {
    let file = try LoadedFile(adapter.weightsPath)
    func numbers(_ index: Int) -> [Double] {
      let info = file.header.tensors[index]
      return Elements.numbers(Elements.bits(Array(file.data(info)), info.dtype), info.dtype).map(Double.init)
    }
    let targets = adapter.replacements.map(\.target) + adapter.updates.map { $0.module + ".weight" }
    let changesHead = targets.contains(head.string)
    let isTied = !hasHead && tensors[embedding] != nil
    if isTied, options.tied == .split, changesHead || targets.contains(embedding.string) {
      tensors[head] = tensors[embedding]
    }
    func isMirror(_ name: String) -> Bool { isTied && options.tied != .split && name.hasPrefix("lm_head.") }

    for replacement in adapter.replacements where !isMirror(replacement.target) {
      let name = TensorName(replacement.target)
      let info = file.header.tensors[replacement.tensor]
      tensors[name] = Self.tensor(info, file.data(info), tensors[name]?.dtype ?? mainDType)
      tensors[name]?.isComputed = true
    }
    for layer in adapter.updates where !isMirror(layer.module + ".") {
      let magnitudes = layer.magnitude.map(numbers)
      let scaling = weight * (layer.scaling ?? 1)
      add(layer, a: numbers(layer.a), b: numbers(layer.b), magnitudes, scaling, adapter.config)
      guard let bias = layer.bias?.witness.tensor else { continue }
      let name = TensorName(layer.module + ".bias")
      for (place, value) in numbers(bias).enumerated() {
        tensors[name]?.values[place] += scaling * value
        tensors[name]?.spread[place] += abs(scaling * value)
      }
      tensors[name]?.isComputed = true
    }
    for rows in adapter.tokenRows {
      let values = numbers(rows.tensor)
      let own = TensorName(rows.module + ".weight")
      let name = tensors[own] == nil ? embedding : own
      guard let columns = tensors[name]?.shape[1] else { continue }
      for (number, row) in rows.indices.enumerated() {
        for column in 0..<columns {
          tensors[name]?.values[row * columns + column] = values[number * columns + column]
          tensors[name]?.spread[row * columns + column] = 0
        }
      }
      tensors[name]?.isComputed = true
    }
  }

  /// One layer's `scaling * B A`, put where the tensor has it; then DoRA's rescaling.
  private mutating func add(
    _ layer: ModuleUpdate, a: [Double], b: [Double], _ magnitudes: [Double]?, _ scaling: Double, _ config: AdapterConfig
  ) {
    var name = TensorName(layer.module + ".weight")
    if case .parameter(let leaf) = layer.target { name = TensorName(layer.module + "." + leaf) }
    if tensors[name] == nil { name = TensorName(layer.module + ".in_proj_weight") }
    guard var tensor = tensors[name] else { return }
    let (rows, columns) = (layer.outFeatures ?? 0, layer.inFeatures ?? 0)
    let times = layer.target == .attentionOutput && options.attentionOutput == .twice ? 2.0 : 1
    /// Where element (row, column) of the product is.
    let place: (Int, Int, Int) -> Int
    var experts = 1
    switch layer.layout {
    case .embedding: place = { _, row, column in column * rows + row }
    case .convolution, .flattened, .channels, .vector: place = { _, row, column in row * columns + column }
    case .linear, .matrix:
      let isTransposed = isTransposed(layer, tensor.shape)
      place = { _, row, column in isTransposed ? column * rows + row : row * columns + column }
    case .experts(let count, _):
      experts = count
      let isTransposed =
        rows == columns ? storesExpertsTransposed(config) : tensor.shape[1] == columns && tensor.shape[2] == rows
      place = { expert, row, column in
        expert * rows * columns + (isTransposed ? column * rows + row : row * columns + column)
      }
    }
    let isGrouped = (options.expertLayout ?? config.lora?.expertLayout ?? .rankMajor) == .expertMajor
    let rank = layer.rank ?? 0
    let blocks = config.lora?.blockDiagonal.flatMap { Blocks($0, layer.module) }
    var delta = [Double](repeating: 0, count: tensor.values.count)
    for expert in 0..<experts {
      for row in 0..<rows {
        for column in 0..<columns {
          var (sum, spread) = (0.0, 0.0)
          for k in 0..<rank {
            var (left, right) = (0.0, 0.0)
            if let diagonal = blocks {
              let block = k / (rank / diagonal.blocks)
              let width = diagonal.a ? columns / diagonal.blocks : columns
              if !diagonal.a || column / width == block { right = a[k * width + column % width] }
              let length = diagonal.b ? rank / diagonal.blocks : rank
              if !diagonal.b || row / (rows / diagonal.blocks) == block { left = b[row * length + k % length] }
            } else {
              left = b[row * rank * experts + (isGrouped ? expert * rank + k : k * experts + expert)]
              right = a[(expert * rank + k) * columns + column]
            }
            sum += left * right
            spread += abs(left * right)
          }
          let index = place(expert, row, column)
          delta[index] = times * scaling * sum
          tensor.spread[index] += abs(times * scaling) * spread
        }
      }
    }
    if let magnitudes {
      for row in 0..<rows {
        let indices = (0..<columns).map { place(0, row, $0) }
        let square = indices.reduce(0.0) { sum, index in
          let value = tensor.original[index] + delta[index]
          return sum + value * value
        }
        let factor = magnitudes[row] / square.squareRoot()
        for index in indices {
          tensor.spread[index] = abs(factor) * (abs(tensor.values[index]) + tensor.spread[index])
          tensor.values[index] = factor * (tensor.values[index] + delta[index])
        }
      }
    } else {
      for index in delta.indices { tensor.values[index] += delta[index] }
    }
    tensor.isComputed = true
    tensors[name] = tensor
  }

  private func isTransposed(_ layer: ModuleUpdate, _ shape: [Int]) -> Bool {
    guard layer.outFeatures == layer.inFeatures else { return shape[0] == layer.inFeatures }
    return family.contains("gpt2") && ["c_attn", "c_proj", "c_fc"].contains { layer.module.hasSuffix("." + $0) }
  }

  /// As PEFT's releases treated stacks of square matrices: 0.17 and 0.18 all alike, 0.19.0 the wrong way round.
  private func storesExpertsTransposed(_ config: AdapterConfig) -> Bool {
    let isStoredSo = family.contains("gpt-oss")
    guard let version = config.peftVersion, !version.hasPrefix("0.17"), !version.hasPrefix("0.18") else { return true }
    return version == "0.19.0" ? !isStoredSo : isStoredSo
  }
}

/// Which factor of a module `use_bdlora` makes block-diagonal.
private struct Blocks {
  let a: Bool
  let b: Bool
  let blocks: Int

  /// Nil: none.
  init?(_ rule: LoRA.BlockDiagonalRule, _ module: String) {
    a = rule.modulesA.contains { module.contains($0) }
    b = rule.modulesB.contains { module.contains($0) }
    blocks = rule.blocks
    if !a, !b { return nil }
  }
}

extension ModuleUpdate {
  /// Where LoRA's tensors are in the adapter's table.
  var a: Int { inWitness.tensor }
  var b: Int { outWitness.tensor }
  fileprivate var magnitude: Int? {
    for case .rescale(let rescaling) in steps { return rescaling.magnitudes.tensor }
    return nil
  }
}

/// How far a result is from ``DoubleMerge``.
///
/// Every element is to be within `ulp / 2 + 4 u spread` of the exact value, and of 16 bits `u |exact|` more: the last rounding,
/// those of the sum (`u = 2^-24`), and of 16 bits that of the sum in fp32 before the last.
struct Distance {
  static let sumRoundings = 4.0

  /// Only tensors of this dtype are counted; nil: all.
  var only: DType?
  /// Elements that anything was computed for.
  var count = 0
  /// Of those, not the exact value rounded once.
  var otherwise = 0
  /// The largest distance to the exact value, in the output's ulps there, and to it rounded once.
  var worst = 0.0
  var worstRounded: UInt32 = 0
  /// The largest error beyond the last roundings, in `u spread`: at most ``sumRoundings``.
  var worstSum = 0.0
  /// Elements beyond the bound. Where `W` and the delta cancel, that can be several ulps of 16 bits, too.
  var beyond: [String] = []

  mutating func add(_ found: LoadedTensor, _ name: TensorName, _ expected: DoubleMerge.Tensor) {
    let dtype = expected.dtype
    if let only, only != dtype { return }
    guard found.info.dtype == dtype, found.info.shape == expected.shape else {
      beyond.append("\(name) is \(found.info.dtype.name) \(found.info.shape)")
      return
    }
    let bits = Elements.bits(Array(found.data), dtype)
    for (index, exact) in expected.values.enumerated() {
      let rounded = Elements.narrow(exact, dtype)
      count += 1
      let error = abs(Double(Elements.widen(bits[index], dtype)) - exact)
      let ulp = Elements.ulp(exact, dtype)
      worst = max(worst, error / ulp)
      let last = ulp / 2 + (dtype == .f32 ? 0 : 0x1p-24 * abs(exact))
      let spread = 0x1p-24 * expected.spread[index]
      if error > last { worstSum = max(worstSum, (error - last) / spread) }
      guard bits[index] != rounded else { continue }
      otherwise += 1
      let distance = Elements.distance(bits[index], rounded, dtype)
      worstRounded = max(worstRounded, distance)
      // A whole ulp where the roundings carry the sum over a power of two.
      if error > max(ulp, last + Self.sumRoundings * spread) { beyond.append("\(name)[\(index)], \(distance) ulps") }
    }
  }

  /// Compares every tensor of a result: computed ones with the exact values, the others with the base.
  mutating func add(_ output: String, _ expected: DoubleMerge) throws {
    let found = try loadTensors(output)
    if Set(found.keys) != Set(expected.tensors.keys) { beyond.append("other tensors") }
    for (name, tensor) in expected.tensors {
      guard let result = found[name] else { continue }
      if tensor.isComputed {
        add(result, name, tensor)
      } else if Elements.bits(Array(result.data), tensor.dtype)
        != tensor.values.map({ Elements.narrow($0, tensor.dtype) })
      {
        beyond.append("\(name) is not the base's")
      }
    }
  }
}

typealias LoadedTensor = (info: TensorInfo, data: ArraySlice<UInt8>)

extension Elements {
  /// How many numbers of the type lie between two.
  static func distance(_ one: UInt32, _ other: UInt32, _ dtype: DType) -> UInt32 {
    let sign: Int64 = dtype == .f32 ? 1 << 31 : 1 << 15
    func position(_ bits: UInt32) -> Int64 {
      let bits = Int64(bits)
      return bits < sign ? bits : sign - bits
    }
    return UInt32(clamping: abs(position(one) - position(other)))
  }
}
