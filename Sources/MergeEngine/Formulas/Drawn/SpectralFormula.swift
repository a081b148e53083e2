import Adapters
import MergePlanning
import TileKernels
import TorchRandom

/// A matrix from few values of its transform, whose places a seed gives.
struct SpectralFormula: FormulaEvaluation {
  let spectrum: Spectrum<FactorView>

  private var count: Int { spectrum.values.columns }
  /// Rows and columns of the matrix as it is placed.
  private var extent: (rows: Int, columns: Int) {
    spectrum.isTransposed ? (spectrum.columns, spectrum.rows) : (spectrum.rows, spectrum.columns)
  }

  func memory(_ place: StepPlace) -> StepMemory {
    let (rows, columns) = extent
    let work = count * (4 + 8 * 6)
    switch spectrum.transform {
    case .fourier: return PreparedFourier.memory(place, rows: rows, columns: columns, count: count, work: work)
    case .wavelet: return StepMemory(perElement: 4, shared: count * 48 + rows * 8 + columns * 8, work: work)
    case .none: return StepMemory(shared: count * (4 + 8 + 8) + rows * 8, work: work)
    }
  }

  func prepare(_ context: StepContext) throws -> any PreparedFormula {
    let (rows, columns) = extent
    let values = try context.widened(spectrum.values)
    let places = places()
    switch spectrum.transform {
    case .fourier:
      return try PreparedFourier(values, places, rows: rows, columns: columns, context.kernels)
    case .wavelet(let filter):
      return PreparedWavelets(values, places, rows: rows, columns: columns, filter)
    case .none: return PreparedScatter(values, places, rows: rows, columns: columns)
    }
  }

  /// The row and column of each value in the matrix as it is placed.
  private func places() -> [(row: Int, column: Int)] {
    var generator = TorchGenerator(seed: spectrum.seed)
    return generator.permutation(of: spectrum.rows * spectrum.columns, first: count).map { place in
      let (row, column) = (place / spectrum.columns, place % spectrum.columns)
      return spectrum.isTransposed ? (column, row) : (row, column)
    }
  }
}
