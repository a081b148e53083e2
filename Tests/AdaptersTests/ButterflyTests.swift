import JSONText
import Safetensors
import TestSupport
import Testing

@testable import Adapters

/// BOFT and RoAd, which multiply the weight from the right and from the left.
@Suite struct ButterflyTests {
  private func boft(_ shape: [Int], scales: [Int] = [6, 1]) -> [Entry] {
    [entry("m.boft_R", shape), entry("m.boft_s", scales)]
  }

  private func road(_ count: Int, _ other: Int? = nil) -> [Entry] {
    [entry("m.road_theta", [count]), entry("m.road_alpha", [other ?? count])]
  }

  private func json(_ type: String, _ fields: String = "") -> String {
    "{\"peft_type\": \"\(type)\"\(fields.isEmpty ? "" : ", ")\(fields)}"
  }

  @Test func everyFieldOfPEFTIsKnown() throws {
    let fields =
      #""boft_block_size": 4, "boft_block_num": 0, "boft_n_butterfly_factor": 2, "exclude_modules": null, "#
      + #""boft_dropout": 0.0, "fan_in_fan_out": false, "bias": "boft_only", "init_weights": true"#
    let update = try adapter(json: json("BOFT", fields), boft([2, 6, 4, 4])).updates[0]
    #expect(update.outFeatures == 6 && update.inFeatures == 24 && update.steps.count == 2)
    guard case .rotate(let rotation) = update.steps[0], case .butterfly(let factors, 4, 0) = rotation.form,
      case .scale(_, .rows) = update.steps[1], factors.count == 2
    else {
      Issue.record("\(update.steps)")
      return
    }
    #expect(factors[1].rows == 6 && factors[1].columns == 16 && factors[1].offset == 96)
    // Without its extension PEFT makes one factor of two.
    #expect(try adapter(json: json("BOFT", fields), boft([1, 6, 4, 4])).updates[0].steps.count == 2)
    let road = #""variant": "road_4", "group_size": 2, "init_weights": true"#
    let mixed = try adapter(json: json("ROAD", road), self.road(12)).updates[0]
    #expect(mixed.outFeatures == 6 && mixed.inFeatures == nil && mixed.scaling == nil)
    #expect(mixed.bias?.count == 6 && mixed.bias?.isRequired == false)
  }

  /// Factors are one matrix up to 128 columns of a block; two are always.
  @Test(arguments: [(2, 6, [6]), (4, 7, [6, 1]), (64, 4, [2, 2]), (128, 3, [2, 1])])
  func factorsBecomeProducts(size: Int, count: Int, products: [Int]) throws {
    let update = try adapter(
      json: json("BOFT", "\"boft_block_size\": \(size), \"boft_n_butterfly_factor\": \(count)"),
      boft([count, 1 << (count - 1), size, size])
    ).updates[0]
    var (lengths, next): ([Int], Int) = ([], 0)
    for step in update.steps.dropLast() {
      guard case .rotate(let rotation) = step, case .butterfly(let factors, size, next) = rotation.form else {
        Issue.record("\(step)")
        return
      }
      for factor in factors {
        #expect(factor.offset == next * size * size << (count - 1))
        next += 1
      }
      lengths.append(factors.count)
    }
    #expect(lengths == products)
  }

  @Test func whatDoesNotFitIsRefused() throws {
    for shape in [[1, 6, 4], [1, 6, 4, 5], [2, 6, 4, 4], [1, 6, 8, 8]] {
      #expect(try refusal(json: json("BOFT"), boft(shape)).errorClass == "shape", "\(shape)")
    }
    #expect(try refusal(json: json("BOFT"), boft([1, 6, 4, 4], scales: [6, 2])).errorClass == "shape")
    let three = #""boft_n_butterfly_factor": 3"#
    #expect(try refusal(json: json("BOFT", three), boft([3, 6, 4, 4])).errorClass == "shape")
    let number = #""boft_block_size": 0, "boft_block_num": 3"#
    #expect(try refusal(json: json("BOFT", number), boft([1, 6, 4, 4])).errorClass == "shape")
    #expect(try adapter(json: json("BOFT", number), boft([1, 3, 5, 5])).updates[0].inFeatures == 15)
    #expect(try refusal(json: json("ROAD"), road(16)).errorClass == "shape")
    #expect(try refusal(json: json("ROAD"), road(32, 64)).errorClass == "shape")
    for fields in [#""variant": "road_3""#, #""group_size": 3"#] {
      #expect(try refusal(json: json("ROAD", fields), road(32)).errorClass == "adapter-config", "\(fields)")
    }
  }

  @Test(arguments: [
    ("road_1", 12, [0, 0, 0, 0], 2), ("road_2", 24, [0, 0, 2, 2], 4), ("road_4", 48, [0, 4, 2, 6], 8),
  ])
  func variantsShareNumbers(variant: String, count: Int, offsets: [Int], distance: Int) throws {
    let fields = "\"variant\": \"\(variant)\", \"group_size\": 4"
    let update = try adapter(json: json("ROAD", fields), road(count)).updates[0]
    guard case .mix(let mixing)? = update.steps.first else {
      Issue.record("no mixing")
      return
    }
    let angles = [mixing.first.cosine, mixing.first.sine, mixing.second.cosine, mixing.second.sine].map(\.angles)
    #expect(angles.map(\.offset) == offsets && angles.allSatisfy { $0.rowStride == distance })
    #expect(angles.allSatisfy { $0.rows == 6 && $0.columns == 2 } && update.outFeatures == 24)
  }
}
