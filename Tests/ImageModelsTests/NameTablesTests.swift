import ModelNames
import Safetensors
import TestSupport
import Testing

@testable import ImageModels

/// Every name of every architecture leads to the rows that diffusers' converters take, whichever of the spellings the base has.
@Suite struct NameTablesTests {
  private static let nativePrefix = "model.diffusion_model."

  @Test func allNamesAreThere() {
    #expect(ImageNames.all.count == 26)
    #expect(ImageNames.all.reduce(0) { $0 + $1.diffusers.count } > 3000)
  }

  @Test(arguments: ImageNames.diffusionModels) func namesOfDiffusersFindNativeRows(_ names: ImageNames) throws {
    let model = try self.model(names.native, prefix: Self.nativePrefix)
    #expect(model.isRecognized)
    #expect(model.components.count == 1)
    for (name, shape) in names.diffusers {
      let expected = try #require(names.places[name])
      for spelling in spellings(of: name) {
        let found = try place(spelling, in: model)
        #expect(runs(found, dropping: Self.nativePrefix) == expected, "\(spelling.module)")
        #expect(found.placement.shape == shape, "\(spelling.module)")
      }
    }
    for (name, shape) in names.native {
      for spelling in spellings(of: name) {
        let found = try place(spelling, in: model).placement
        #expect(found.whole?.string == Self.nativePrefix + name, "\(spelling.module)")
        #expect(found.shape == shape)
      }
    }
  }

  @Test(arguments: ImageNames.diffusionModels) func nativeNamesFindRowsOfDiffusers(_ names: ImageNames) throws {
    let folder = names.isUNet ? "unet/" : "transformer/"
    let model = try self.model(names.diffusers, prefix: folder)
    #expect(model.isRecognized)
    #expect(model.components.map(\.prefix) == [folder])
    let inverse = names.inversePlaces
    for (name, shape) in names.native {
      let expected = try #require(inverse[name])
      for spelling in spellings(of: name) {
        let found = try place(spelling, in: model)
        #expect(runs(found, dropping: folder) == expected, "\(spelling.module)")
        #expect(found.placement.shape == shape, "\(spelling.module)")
      }
    }
    for (name, _) in names.diffusers {
      for spelling in spellings(of: name) {
        #expect(try place(spelling, in: model).placement.whole?.string == folder + name, "\(spelling.module)")
      }
    }
  }

  /// Every row of a native tensor is exactly one row of diffusers'.
  @Test(arguments: ImageNames.all) func tablesLoseNoRow(_ names: ImageNames) {
    let inverse = names.inversePlaces
    for (name, shape) in names.native {
      #expect(inverse[name]?.reduce(0) { $0 + $1.rows.count } == (shape.first ?? 1), "\(name)")
    }
  }

  @Test func openCLIPIsFoundByNamesOfTransformers() throws {
    let names = try ImageNames.named("open-clip")
    let prefix = "conditioner.embedders.1.model."
    let model = try self.model(names.native, prefix: prefix)
    #expect(model.components == [Component(kind: .clipG, scheme: .native, prefix: prefix)])
    for (name, shape) in names.diffusers {
      let expected = try #require(names.places[name])
      for spelling in spellings(of: name, dotted: ["text_encoder_2."], flat: ["lora_te2_"]) {
        let found = try place(spelling, in: model)
        #expect(runs(found, dropping: prefix) == expected, "\(spelling.module)")
        #expect(found.placement.shape == shape)
      }
    }
  }

  // MARK: -

  /// A parameter as an adapter names it.
  private struct Spelling {
    let module: String
    let parameter: ModuleParameter
  }

  private func spellings(
    of name: String, dotted: [String] = ["", "diffusion_model.", "transformer.", "unet.", "base_model.model."],
    flat: [String] = ["lora_unet_", "lora_unet__", "lora_transformer_", "lycoris_"]
  ) -> [Spelling] {
    var module = name
    var parameter = ModuleParameter.weight
    if name.hasSuffix(".weight") { module = String(name.dropLast(".weight".count)) }
    if name.hasSuffix(".bias") {
      module = String(name.dropLast(".bias".count))
      parameter = .bias
    }
    let flatModule = String(module.map { $0 == "." ? "_" : $0 })
    return dotted.map { Spelling(module: $0 + module, parameter: parameter) }
      + flat.map { Spelling(module: $0 + flatModule, parameter: parameter) }
  }

  private func model(_ tensors: [(name: String, shape: [Int])], prefix: String) throws -> ImageModel {
    let base = NamedShapes(tensors.map { (prefix + $0.name, $0.shape) })
    return try #require(ImageModel(names: base.shapes.keys.sorted(), in: base))
  }

  private func place(_ spelling: Spelling, in model: ImageModel) throws -> ImagePlacement {
    try #require(model.place(spelling.module, spelling.parameter), "\(spelling.module)").get()
  }

  /// A placement as rows of first dimensions.
  private func runs(_ found: ImagePlacement, dropping prefix: String) -> [ImageNames.Run] {
    if let whole = found.placement.whole {
      return [
        ImageNames.Run(
          tensor: String(whole.string.dropFirst(prefix.count)), rows: 0..<(found.placement.shape.first ?? 1))
      ]
    }
    return found.placement.parts.map { part in
      ImageNames.Run(
        tensor: String(part.tensor.string.dropFirst(prefix.count)), rows: part.row..<part.row + part.count,
        isTransposed: part.isTransposed)
    }
  }
}
