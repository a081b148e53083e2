import Adapters
import Checkpoints
import MergeEngine
import MergePlanning
import Merging
import Platform
import Safetensors
import TestSupport
import Testing

/// Adapters come out of a model that they were merged into, or are refused: for every fixture.
@Suite struct UnmergeTests {
  /// One adapter each, that a merge without options takes.
  static let cases = FixtureCase.all.filter { $0.refused == nil && $0.adapters.count == 1 && $0.combine == nil }

  /// The tuners of which some adapter comes out: those that add what follows from the adapter alone.
  private static let sums: Set<String> = [
    "adalora", "bone", "c3a", "delora", "fourierft", "gralora", "loha", "lokr", "lora", "miss", "pvera",
    "randlora", "shira", "supertuning", "tinylora", "unilora", "vblora", "vera", "waveft",
  ]
  /// The tuners of which none does; the fixtures of BEFT replace norms as well.
  private static let refused: Set<String> = [
    "beft", "boft", "deft", "glora", "hira", "hra", "ia3", "ln_tuning", "oft", "osf", "peanut", "road",
    "trainable_tokens",
  ]

  private struct Trip {
    let base: [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)]
    let merged: [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)]
    let back: [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)]
    let again: [TensorName: (info: TensorInfo, data: ArraySlice<UInt8>)]
    let returned: [ReturnedTensor]
  }

  private static func request(_ base: String, _ adapter: String, _ weight: Double, to output: String) throws
    -> MergeRequest
  {
    var request = MergeRequest(
      base: try Checkpoint(path: base), adapters: [AdapterUse(try Adapter(path: adapter), weight: weight)],
      output: output)
    request.engine.workers = 2
    return request
  }

  /// Merges, takes out, and merges again; nil: the fixture needs options to be merged.
  private func trip(_ fixture: FixtureCase, weight: Double, _ scratch: Scratch) throws -> Trip? {
    let (merged, back, again) = (scratch.file("merged"), scratch.file("back"), scratch.file("again"))
    let adapter = fixture.adapters[0]
    do { try Self.request(fixture.base, adapter, weight, to: merged).prepare().run() } catch is any ReportableError {
      return nil
    }
    var request = try Self.request(merged, adapter, -weight, to: back)
    request.isUnmerge = true
    let outcome = try request.prepare().run()
    try Self.request(back, adapter, weight, to: again).prepare().run()
    return Trip(
      base: try loadTensors(fixture.base), merged: try loadTensors(merged), back: try loadTensors(back),
      again: try loadTensors(again), returned: outcome.weights.returned)
  }

  private static func values(_ tensor: (info: TensorInfo, data: ArraySlice<UInt8>)) -> [Double] {
    Elements.bits(Array(tensor.data), tensor.info.dtype).map { Double(Elements.widen($0, tensor.info.dtype)) }
  }

  private static func unitRoundoff(_ dtype: DType) -> Double {
    switch dtype {
    case .bf16: 0x1p-8
    case .f16: 0x1p-11
    default: 0x1p-24
    }
  }

  @Test(arguments: cases, [1.0, -0.5])
  func whatComesOutIsTheBaseUpToRounding(fixture: FixtureCase, weight: Double) throws {
    let scratch = try Scratch()
    let found: Trip?
    do { found = try trip(fixture, weight: weight, scratch) } catch let error as UnmergeError {
      #expect(error.errorClass == "not-invertible")
      #expect(error.category == .refusedInput)
      #expect(try scratch.entries() == ["merged"])
      return
    }
    guard let trip = found else { return }
    #expect(!Self.refused.contains(fixture.tuner), "\(fixture.tuner) came out")
    #expect(Set(trip.back.keys) == Set(trip.merged.keys))
    let returned = Dictionary(uniqueKeysWithValues: trip.returned.map { ($0.name, $0) })
    for (name, back) in trip.back {
      let merged = try #require(trip.merged[name])
      let again = try #require(trip.again[name])
      let changed = zip(
        Elements.bits(Array(again.data), again.info.dtype), Elements.bits(Array(merged.data), merged.info.dtype)
      ).count { $0 != $1 }
      // The stated count is the count.
      #expect(Int(returned[name]?.changedCount ?? 0) == changed, "\(fixture.name): \(name)")
      guard let base = trip.base[name], base.info.dtype == back.info.dtype, base.info.shape == back.info.shape else {
        continue
      }
      // fl(fl(w + d) - d): each of the two sums is rounded once, in fp32 and then to the dtype.
      let unit = Self.unitRoundoff(back.info.dtype)
      let (w, m, u) = (Self.values(base), Self.values(merged), Self.values(back))
      let worst =
        w.indices.map { place in
          let bound = (abs(m[place]) + abs(u[place])) * unit * 1.001 + 0x1p-126
          return abs(u[place] - w[place]) / bound
        }.max() ?? 0
      #expect(worst <= 1, "\(fixture.name): \(name): \(worst) times the bound")
    }
  }

  @Test func everyTunerIsOneOrTheOther() throws {
    var (out, kept): (Set<String>, Set<String>) = ([], [])
    for fixture in Self.cases where !out.contains(fixture.tuner) {
      do {
        if try trip(fixture, weight: 1, Scratch()) != nil { out.insert(fixture.tuner) }
      } catch is UnmergeError { kept.insert(fixture.tuner) }
    }
    #expect(out == Self.sums)
    #expect(kept.subtracting(out) == Self.refused)
  }
}
