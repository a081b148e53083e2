import Adapters
import ImageModels
import ModelNames
import Safetensors

extension MergePlanner {
  /// Where a parameter of a module lies in the base. Adapters that are one file name modules as the programs for images do; others
  /// as the model in memory, or, of an image model, as these programs too.
  ///
  /// - Returns: Nil if the base has no such module.
  mutating func locate(
    _ module: String, _ parameter: ModuleParameter, rows: Int?, experts: Int? = nil, _ number: Int
  ) -> Resolution? {
    // Of a model that nothing is known of, a file's names are those of the base.
    if !adapters[number].adapter.isFile || inputs.images == nil,
      let found = resolve("\(module).\(parameter.name)", rows: rows, experts: experts)
    {
      return found
    }
    return inputs.place(module, parameter, number)?.map(\.placement)
  }
}
