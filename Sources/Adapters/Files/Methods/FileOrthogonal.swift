import Safetensors

/// OFT in a file, which multiplies the weight from the left, in blocks of rows: diag-OFT and BOFT of LyCORIS, and kohya's OFT.
///
/// `W'_k = R_k^T W_k`, with `R = (I + Q) (I - Q)^-1` and `Q = B - B^T` of each block k of rows. BOFT multiplies by R and not by
/// its transposed, in stages of which each has its blocks farther apart, as many as n blocks need: log2(n) + 1. Alpha bounds the norm of all Q: alpha times the rows.
/// Where there are scales each row is multiplied by its own afterwards.
///
/// Sources: LyCORIS 4.1.3 `functional.diag_oft`, `functional.boft`; sd-scripts 48d368f `networks/oft.py`.
enum FileOrthogonal {
  /// - Parameters:
  ///   - alpha: The value of the tensor; nil: the module has no alpha.
  ///   - isKohya: Whether Q is scaled in any case, as kohya's OFT does.
  static func update(
    _ module: ModuleTensors, alpha: Double?, isKohya: Bool
  ) throws(AdapterError) -> ModuleUpdate {
    let shape = try module.required(.orthogonalBlocks).shape
    let place = try module.place(of: .orthogonalBlocks)
    guard (3...4).contains(shape.count), shape[shape.count - 1] == shape[shape.count - 2] else {
      throw module.failure(.shape(expected: "(blocks, b, b) or (stages, blocks, b, b)", found: shape), at: place)
    }
    let (count, size) = (shape[shape.count - 3], shape[shape.count - 1])
    let stages = shape.count == 4 ? shape[0] : 1
    let isButterfly = shape.count == 4
    // With fewer stages some rows never meet: a file that has them lost the others.
    guard !isButterfly || (stages <= 32 && size % 2 == 0 && count == 1 << (stages - 1)) else {
      throw module.failure(
        .shape(expected: "(stages, 2^(stages - 1) blocks, b, b) with an even b", found: shape), at: place)
    }
    let rows = count * size
    var limit: BlockMixing<Factor>.Limit?
    if isKohya {
      guard let alpha else { throw module.failure(.missingFactor(missing: module.key(of: .alpha)), at: place) }
      limit = .init(norm: alpha * Double(rows), isAlwaysApplied: true)
    } else if let alpha, alpha > 0 {
      limit = .init(norm: alpha * Double(rows), isAlwaysApplied: false)
    }
    let blocks = Factor.rowMajor(place, rows: stages * count, columns: size * size)
    var steps = (0..<stages).map { stage in
      UpdateStep.mixBlocks(
        BlockMixing(
          blocks: blocks, size: size, used: stage * count..<(stage + 1) * count, level: isButterfly ? stage : nil,
          limit: limit, isTransposed: isButterfly))
    }
    if let scales = module[.orthogonalScale] {
      let found = try module.required(.orthogonalScale).shape
      guard found.first == rows, found.reduce(1, *) == rows else {
        throw module.failure(.shape(expected: "(\(rows), 1, ...)", found: found), at: scales)
      }
      steps.append(.scale(.rowMajor(scales, rows: 1, columns: rows), along: .rows))
    }
    let witness = try module.witness(.orthogonalBlocks)
    var update = ModuleUpdate(
      module: module.name.string, layout: .flattened, outFeatures: rows, inFeatures: nil, outWitness: witness,
      inWitness: witness, steps: steps, tensorIndices: module.indices(of: FileMethod.orthogonal.roles))
    update.mixesResult = true
    return update
  }
}
