import MergeChecking
import Safetensors
import TestSupport
import Testing

/// Factors that the weights of models do not look like, which the check reads by itself.
@Suite struct TrainerFactorTests {
  @Test(arguments: [
    "factors-of-f64", "factors-of-f8-e4m3", "factors-of-f8-e5m2", "tinker-experts-of-mixtral",
    "skyrl-shared-factor-beside-experts", "shared-block-saved-for-every-layer", "zeros-on-a-grouped-convolution",
  ])
  func areRecomputed(name: String) throws {
    let folder = fixturesPath() + "/trainers/\(name)"
    let scratch = try Scratch()
    let output = scratch.file("merged")
    try merge(folder + "/base", [(folder + "/adapter", 1)], to: output)
    #expect(try check(output, folder + "/base", [(folder + "/adapter", 1)]).findings.isEmpty)
    // With other values it is not this merge: the check read them.
    let original = folder + "/expected.safetensors"
    #expect(try SafetensorsHeader(path: original).tensors.count > 0)
    let unmerged = try check(folder + "/base", folder + "/base", [(folder + "/adapter", 1)])
    #expect(!unmerged.findings.isEmpty)
  }
}
