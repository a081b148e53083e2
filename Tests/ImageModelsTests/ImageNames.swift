import ModelNames
import Safetensors
import TestSupport
import Testing

/// The names of a tiny model in native spelling and diffusers', and which native rows each parameter of diffusers is, as diffusers'
/// converter says it: a file of `Fixtures/image/names`.
struct ImageNames: CustomTestStringConvertible, Sendable {
  /// Adjacent rows of a tensor's first dimension.
  struct Run: Equatable, Sendable, CustomStringConvertible {
    var tensor: String
    var rows: Range<Int>
    var isTransposed = false

    var description: String { "\(isTransposed ? "T:" : "")\(tensor):\(rows)" }
  }

  let name: String
  let native: [(name: String, shape: [Int])]
  let diffusers: [(name: String, shape: [Int])]
  /// For each parameter of diffusers, the native rows.
  let places: [String: [Run]]

  var testDescription: String { name }

  /// What the text encoders' names are, which are not those of a diffusion model.
  static let encoders = ["open-clip"]

  static let all: [ImageNames] = [
    "aura-flow", "cascade", "chroma", "cosmos2", "flux1", "flux2", "flux3", "hidream", "hunyuan-video", "krea2",
    "ltx-video", "ltx2", "lumina2", "mochi", "open-clip", "pixart", "qwen-image", "qwen-image21", "sana", "sd1", "sd3",
    "sdxl", "sdxl-refiner", "wan", "wan-vace", "z-image",
  ].compactMap { try? ImageNames($0) }

  static let diffusionModels = all.filter { !encoders.contains($0.name) }

  static func named(_ name: String) throws -> ImageNames { try #require(all.first { $0.name == name }) }

  init(_ name: String) throws {
    self.name = name
    var native: [(name: String, shape: [Int])] = []
    var diffusers: [(name: String, shape: [Int])] = []
    var places: [String: [Run]] = [:]
    var rows: [String: Int] = [:]
    let text = String(decoding: try contents(fixturesPath() + "/image/names/\(name).txt"), as: UTF8.self)
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      let shape = words[2] == "-" ? [] : words[2].split(separator: ",").compactMap { Int($0) }
      if words[0] == "native" {
        native.append((words[1], shape))
        rows[words[1]] = shape.first ?? 1
      } else {
        diffusers.append((words[1], shape))
        places[words[1]] = words[3...].map { word in
          var pieces = word.split(separator: ":").map(String.init)
          let isTransposed = pieces[0] == "T"
          if isTransposed { pieces.removeFirst() }
          let ends =
            pieces.count > 1 ? pieces[1].split(separator: "-").compactMap { Int($0) } : [0, rows[pieces[0]] ?? 0]
          return Run(tensor: pieces[0], rows: ends[0]..<ends[1], isTransposed: isTransposed)
        }
      }
    }
    (self.native, self.diffusers, self.places) = (native, diffusers, places)
  }

  /// For each native parameter, the rows of diffusers' that it is made of.
  var inversePlaces: [String: [Run]] {
    var found: [String: [(start: Int, run: Run)]] = [:]
    for (name, shape) in diffusers {
      var row = 0
      for run in places[name] ?? [] {
        let count = run.isTransposed ? (shape.first ?? 1) : run.rows.count
        let own = Run(tensor: name, rows: row..<row + count, isTransposed: run.isTransposed)
        found[run.tensor, default: []].append((run.rows.lowerBound, own))
        row += count
      }
    }
    return found.mapValues { pieces in
      var runs: [Run] = []
      for piece in pieces.sorted(by: { $0.start < $1.start }).map(\.run) {
        if let last = runs.last, last.tensor == piece.tensor, last.rows.upperBound == piece.rows.lowerBound {
          runs[runs.count - 1].rows = last.rows.lowerBound..<piece.rows.upperBound
        } else {
          runs.append(piece)
        }
      }
      return runs
    }
  }
}

/// Tensors by names and shapes alone.
struct NamedShapes: NamedTensors {
  let shapes: [TensorName: [Int]]

  init(_ tensors: [(name: String, shape: [Int])]) {
    shapes = Dictionary(tensors.map { (TensorName($0.name), $0.shape) }) { first, _ in first }
  }

  func shape(of name: TensorName) -> [Int]? { shapes[name] }
  func storedShape(of name: TensorName) -> [Int]? { shapes[name] }
  func absent(_ name: TensorName) -> TensorName? { nil }
}
