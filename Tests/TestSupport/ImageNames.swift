import Foundation
import Safetensors

/// The names of a tiny model in native spelling and diffusers', and which native rows each parameter of diffusers is, as diffusers'
/// converter says it: a file of `Fixtures/image/names`.
package struct ImageNames: CustomStringConvertible, Sendable {
  /// Adjacent rows of a tensor's first dimension.
  package struct Run: Equatable, Sendable, CustomStringConvertible {
    package var tensor: String
    package var rows: Range<Int>
    package var isTransposed: Bool

    package init(tensor: String, rows: Range<Int>, isTransposed: Bool = false) {
      self.tensor = tensor
      self.rows = rows
      self.isTransposed = isTransposed
    }

    package var description: String { "\(isTransposed ? "T:" : "")\(tensor):\(rows)" }
  }

  package let name: String
  package let native: [(name: String, shape: [Int])]
  package let diffusers: [(name: String, shape: [Int])]
  /// For each parameter of diffusers, the native rows.
  package let places: [String: [Run]]

  package var description: String { name }

  /// What the text encoders' names are, which are not those of a diffusion model.
  package static let encoders = ["open-clip"]

  package static let all: [ImageNames] = [
    "aura-flow", "cascade", "chroma", "cosmos2", "flux1", "flux2", "flux3", "hidream", "hunyuan-video", "krea2",
    "ltx-video", "ltx2", "lumina2", "mochi", "open-clip", "pixart", "qwen-image", "qwen-image21", "sana", "sd1", "sd3",
    "sdxl", "sdxl-refiner", "wan", "wan-vace", "z-image",
  ].compactMap { try? ImageNames($0) }

  /// The VAE, which is no target of adapters.
  package static var autoencoder: ImageNames { get throws { try ImageNames("autoencoder") } }

  package static let diffusionModels = all.filter { !encoders.contains($0.name) }

  /// Whether diffusers has the model in a folder `unet`; others are in `transformer`, and text encoders in one of their own.
  package var isUNet: Bool { ["sd1", "sdxl", "sdxl-refiner"].contains(name) }

  package static func named(_ name: String) throws -> ImageNames {
    guard let found = all.first(where: { $0.name == name }) else { throw CocoaError(.fileNoSuchFile) }
    return found
  }

  private init(_ name: String) throws {
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
  package var inversePlaces: [String: [Run]] {
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
