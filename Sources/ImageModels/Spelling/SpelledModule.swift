import ModelNames
import Safetensors

/// A module of a base's component by its name in one scheme.
package struct SpelledModule: Sendable {
  /// Without the component's prefix, such as `down_blocks.0.attentions.0.proj_in`.
  package let name: String
  /// Where its weight lies in the base.
  package let placement: TensorPlacement
}

extension ImageModel {
  /// The modules with a weight that a component has under the names of a scheme. Those that the base lacks
  /// in part are left out.
  ///
  /// - Parameters:
  ///   - component: Its place in ``components``.
  ///   - scheme: Where the architecture has no table for it, its names are those of diffusers.
  package func modules(of component: Int, in scheme: Component.Scheme) -> [SpelledModule] {
    parts[component].spellings.views(in: scheme).compactMap { view in
      guard view.name.hasSuffix(".weight"),
        case .success(let placement) = parts[component].placement(of: view), !placement.shape.isEmpty
      else { return nil }
      return SpelledModule(name: String(view.name.dropLast(".weight".count)), placement: placement)
    }
  }

  /// Whether a component's names are known in a scheme of their own.
  package func hasNames(of component: Int, in scheme: Component.Scheme) -> Bool {
    parts[component].component.scheme == scheme || parts[component].spellings.architecture?.table(scheme) != nil
  }

  /// The number that diffusers and trainers give to a text encoder, beginning with 1; nil: another component.
  package func encoderNumber(of component: Int) -> Int? {
    guard parts[component].component.kind.isTextEncoder else { return nil }
    let folders = prefixes[component].dotted.filter { $0.hasPrefix("text_encoder") && !$0.contains("base_model") }
    return folders.compactMap { folder in
      folder == "text_encoder." ? 1 : Int(folder.dropFirst("text_encoder_".count).dropLast())
    }.min()
  }
}
