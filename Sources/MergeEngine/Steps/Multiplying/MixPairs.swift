import Adapters
import MergePlanning
import TileKernels

/// Mixes rows or columns in pairs: the factors are computed once, in double, and so is each sum of two products, which is then
/// rounded to fp32.
struct MixPairs: EngineStep {
  let mixing: PairMixing<FactorView>

  private var pairCount: Int { mixing.first.cosine.angles.rows * mixing.first.cosine.angles.columns }

  func memory(_ place: StepPlace) -> StepMemory {
    StepMemory(
      perElement: StepMemory.values, shared: 4 * pairCount * MemoryLayout<Double>.stride,
      work: 2 * pairCount * MemoryLayout<Float>.stride)
  }

  func prepare(_ context: StepContext, in prepared: inout PreparedSteps) throws {
    let type = try mixing.roundedTo.map { try context.inputs.elementType($0) }
    func factors(_ polar: PairMixing<FactorView>.Polar, isSine: Bool, isNegative: Bool = false) throws -> [Double] {
      let (scales, angles) = (try context.widened(polar.scales), try context.widened(polar.angles))
      let products = (0..<pairCount).map { index in
        let direction = Direction(angle: Double(angles[index]))
        let product = Double(scales[index]) * (isSine ? direction.sine : direction.cosine)
        return isNegative ? -product : product
      }
      guard let type else { return products }
      var rounded = FloatBuffer()
      var bytes: [UInt8] = []
      rounded.set(products.map { Float($0) })
      try rounded.round(products.count, to: type, through: &bytes, context.kernels)
      return rounded.elements.prefix(products.count).map { Double($0) }
    }
    prepared.steps.append(
      PreparedMixing(
        firstOwn: try factors(mixing.first.cosine, isSine: false),
        firstOther: try factors(mixing.first.sine, isSine: true, isNegative: true),
        secondOwn: try factors(mixing.second.cosine, isSine: false),
        secondOther: try factors(mixing.second.sine, isSine: true), half: mixing.groupSize / 2, axis: mixing.axis))
  }
}

/// The factors of all pairs, group after group.
struct PreparedMixing: ValueStep {
  let firstOwn: [Double]
  let firstOther: [Double]
  let secondOwn: [Double]
  let secondOther: [Double]
  /// Pairs of a group.
  let half: Int
  let axis: Axis

  var isSum: Bool { false }

  func apply(_ tile: Tile, start: RawSpan, _ buffers: inout TileBuffers) throws {
    try buffers.materialize(tile, start)
    switch axis {
    case .rows:
      // Tiles hold whole groups.
      for pair in tile.rows.lowerBound / 2..<tile.rows.upperBound / 2 {
        let row = pair / half * 2 * half + pair % half - tile.rows.lowerBound
        mix(pair, row * tile.columns, (row + half) * tile.columns, count: tile.columns, &buffers)
      }
    case .columns:
      for row in 0..<tile.rows.count {
        for pair in firstOwn.indices {
          let element = row * tile.columns + pair / half * 2 * half + pair % half
          mix(pair, element, element + half, count: 1, &buffers)
        }
      }
    }
  }

  private func mix(_ pair: Int, _ one: Int, _ other: Int, count: Int, _ buffers: inout TileBuffers) {
    buffers.value.mix(
      one, other, count: count, (firstOwn[pair], firstOther[pair]), (secondOther[pair], secondOwn[pair]))
  }
}
