import Adapters
import Checkpoints
import JSONText
import Safetensors

/// How a layer's factors lie in the tensor that they update.
struct BuiltUpdate {
  /// The tensor as a matrix.
  let rows: Int
  let columns: Int
  /// The product, one term; for experts one each.
  let terms: [Term<FactorView>]
  /// Along what DoRA norms.
  let normAxis: Axis
}

/// Builds the terms of a layer from shapes alone.
struct UpdateBuilder {
  let config: JSONValue?
  let adapter: Adapter
  /// The place of the adapter's file in the plan's inputs.
  let input: Int
  /// The order of B's columns in a stack of experts, whatever the adapter says; nil: as it says.
  let expertLayout: ExpertLayout?
  /// How the weight is stored; nil: its shape decides.
  let orientation: OrientationDecision?

  private func error(_ problem: PlanError.Problem, _ key: Int) -> PlanError {
    PlanError(
      path: adapter.weightsPath, tensor: adapter.header.tensors.name(at: key), problem,
      adapterBase: adapter.baseModelName)
  }

  func source(_ index: Int) -> MergePlan.Source { MergePlan.Source(adapter.header, index, input: input) }

  /// The layer's place in a tensor of this name and shape.
  func shape(
    _ layer: AdapterLayer, target: TensorName, shape: [Int], scaling: Float
  ) throws(PlanError) -> BuiltUpdate {
    switch layer.kind {
    // A stack of one expert has factors like a matrix's.
    case .linear where shape.count == 3 && shape.first == 1: try experts(layer, 1, target, shape, scaling)
    case .linear: try linear(layer, target, shape, scaling)
    case .embedding: try embedding(layer, target, shape, scaling)
    case .convolution(let kernel): try convolution(layer, kernel, target, shape, scaling)
    case .experts(let count): try experts(layer, count, target, shape, scaling)
    }
  }

  private func mismatch(_ layer: AdapterLayer, _ target: TensorName, _ shape: [Int], wantsRows: Bool) -> PlanError {
    let key = wantsRows ? layer.b : layer.a
    return error(
      .shape(
        factor: wantsRows ? "B" : "A", found: adapter.header.tensors.shape(at: key), target: target.string,
        expected: shape), key)
  }

  private func linear(
    _ layer: AdapterLayer, _ target: TensorName, _ shape: [Int], _ scaling: Float
  ) throws(PlanError) -> BuiltUpdate {
    let (rows, columns) = (layer.outFeatures, layer.inFeatures)
    let isTransposed: Bool
    if rows != columns, shape == [rows, columns] {
      isTransposed = false
    } else if rows != columns, shape == [columns, rows] {
      guard orientation?.mayBeTransposed(layer.module) ?? false else {
        throw error(.storedTransposed(target: target.string, shape: shape), layer.a)
      }
      isTransposed = true
    } else if shape == [rows, columns] {
      guard let found = orientation?.orientation(of: layer.module) else {
        throw error(.maybeTransposed(target: target.string, shape: shape), layer.a)
      }
      isTransposed = found == .transposed
    } else {
      throw mismatch(layer, target, shape, wantsRows: shape.count != 2 || shape[0] != rows)
    }
    let terms = blocks(layer, scaling)
    guard isTransposed else { return BuiltUpdate(rows: rows, columns: columns, terms: terms, normAxis: .rows) }
    return BuiltUpdate(rows: columns, columns: rows, terms: terms.map(\.transposed), normAxis: .columns)
  }

  /// The product, cut into its blocks where one of the factors is block-diagonal: outside them it is zero.
  private func blocks(_ layer: AdapterLayer, _ scaling: Float) -> [Term<FactorView>] {
    let (rows, columns, rank) = (layer.outFeatures, layer.inFeatures, layer.rank)
    guard let diagonal = layer.blockDiagonal else {
      let left: FactorView =
        layer.areFactorsTransposed
        ? FactorView.rowMajor(source(layer.b), rows: rank, columns: rows).transposed
        : .rowMajor(source(layer.b), rows: rows, columns: rank)
      let right: FactorView =
        layer.areFactorsTransposed
        ? FactorView.rowMajor(source(layer.a), rows: columns, columns: rank).transposed
        : .rowMajor(source(layer.a), rows: rank, columns: columns)
      return [
        Term(
          rows: 0..<rows, columns: 0..<columns,
          .product(
            left: left, right: right,
            diagonal: layer.diagonal.map { FactorView.rowMajor(source($0), rows: 1, columns: rank) }),
          scaling: scaling)
      ]
    }
    let chunk = rank / diagonal.blocks
    return (0..<diagonal.blocks).map { block in
      if diagonal.a {
        // A is stored (rank, columns / blocks): its rows of this block belong to the block's columns.
        let width = columns / diagonal.blocks
        return Term(
          rows: 0..<rows, columns: block * width..<(block + 1) * width,
          .product(
            left: FactorView(
              source(layer.b), rows: rows, columns: chunk, offset: block * chunk, rowStride: rank, columnStride: 1),
            right: FactorView(
              source(layer.a), rows: chunk, columns: width, offset: block * chunk * width, rowStride: width,
              columnStride: 1)),
          scaling: scaling)
      }
      // B is stored (rows, rank / blocks): the block's rows of the result take A's rows of this block.
      let height = rows / diagonal.blocks
      return Term(
        rows: block * height..<(block + 1) * height, columns: 0..<columns,
        .product(
          left: FactorView(
            source(layer.b), rows: height, columns: chunk, offset: block * height * chunk, rowStride: chunk,
            columnStride: 1),
          right: FactorView(
            source(layer.a), rows: chunk, columns: columns, offset: block * chunk * columns, rowStride: columns,
            columnStride: 1)),
        scaling: scaling)
    }
  }

  /// `W + s * (B A)^T` for a weight of (vocabulary, dimension).
  private func embedding(
    _ layer: AdapterLayer, _ target: TensorName, _ shape: [Int], _ scaling: Float
  ) throws(PlanError) -> BuiltUpdate {
    let (vocabulary, dimension) = (layer.inFeatures, layer.outFeatures)
    guard shape == [vocabulary, dimension] else {
      throw mismatch(layer, target, shape, wantsRows: shape.count == 2 && shape[0] == vocabulary)
    }
    return BuiltUpdate(
      rows: vocabulary, columns: dimension, terms: blocks(layer, scaling).map(\.transposed), normAxis: .columns)
  }

  /// The weight (out, in, kernel...) as a matrix of (out, in * kernel).
  private func convolution(
    _ layer: AdapterLayer, _ kernel: [Int], _ target: TensorName, _ shape: [Int], _ scaling: Float
  ) throws(PlanError) -> BuiltUpdate {
    let stored = adapter.header.tensors.shape(at: layer.a)
    guard shape.count == stored.count, shape.first == layer.outFeatures, shape.dropFirst(2).elementsEqual(kernel) else {
      throw mismatch(layer, target, shape, wantsRows: shape.first != layer.outFeatures)
    }
    guard layer.groups == 1 else { throw error(.groupedConvolution(target: target.string), layer.b) }
    guard shape[1] == stored[1] else { throw mismatch(layer, target, shape, wantsRows: false) }
    return BuiltUpdate(
      rows: layer.outFeatures, columns: layer.inFeatures, terms: blocks(layer, scaling), normAxis: .rows)
  }

  /// A stack of weights (experts, d1, d2). A's rows are expert-major, B's columns rank-major in PEFT.
  private func experts(
    _ layer: AdapterLayer, _ count: Int, _ target: TensorName, _ shape: [Int], _ scaling: Float
  ) throws(PlanError) -> BuiltUpdate {
    let (inner, outer) = (layer.inFeatures, layer.outFeatures)
    guard shape.count == 3, shape[0] == count else { throw mismatch(layer, target, shape, wantsRows: false) }
    let (d1, d2) = (shape[1], shape[2])
    let isTransposed: Bool
    switch (inner == d2 && outer == d1, inner == d1 && outer == d2) {
    case (true, false): isTransposed = false
    case (false, true): isTransposed = true
    case (true, true) where layer.factorStack != nil: isTransposed = ModelConfig.stacksExpertsTransposed(config)
    case (true, true): isTransposed = ExpertOrientation.isTransposed(config, peftVersion: adapter.config.peftVersion)
    case (false, false): throw mismatch(layer, target, shape, wantsRows: inner == d1 || inner == d2)
    }
    let terms = (0..<count).map { expert in
      let (left, right) = factors(of: expert, count, layer)
      let term = Term(
        rows: 0..<outer, columns: 0..<inner,
        .product(left: left, right: right), scaling: scaling)
      return (isTransposed ? term.transposed : term).shifted(rows: expert * d1)
    }
    return BuiltUpdate(rows: count * d1, columns: d2, terms: terms, normAxis: .rows)
  }

  /// B and A of one expert.
  private func factors(of expert: Int, _ count: Int, _ layer: AdapterLayer) -> (left: FactorView, right: FactorView) {
    let (inner, outer, rank) = (layer.inFeatures, layer.outFeatures, layer.rank)
    let (a, b) = (source(layer.a), source(layer.b))
    if let stack = layer.factorStack {
      return (
        FactorView(
          b, rows: outer, columns: rank, offset: stack.sharesB ? 0 : expert * outer * rank, rowStride: rank,
          columnStride: 1),
        FactorView(
          a, rows: rank, columns: inner, offset: stack.sharesA ? 0 : expert * rank * inner, rowStride: inner,
          columnStride: 1)
      )
    }
    let isExpertMajor = (expertLayout ?? layer.expertLayout) == .expertMajor
    return (
      FactorView(
        b, rows: outer, columns: rank, offset: isExpertMajor ? expert * rank : expert, rowStride: rank * count,
        columnStride: isExpertMajor ? 1 : count),
      FactorView(
        a, rows: rank, columns: inner, offset: expert * rank * inner, rowStride: inner, columnStride: 1)
    )
  }
}

extension MergePlan.Source {
  /// A tensor of a file by its place in the file's table.
  init(_ header: SafetensorsHeader, _ index: Int, input: Int) {
    let offsets = header.tensors.dataOffsets(at: index)
    self.init(
      input: input, dtype: header.tensors.dtype(at: index),
      range: header.dataStart + offsets.lowerBound..<header.dataStart + offsets.upperBound)
  }
}
