import ModelNames

/// Where a parameter that an adapter names lies in the base.
package struct ImagePlacement: Equatable {
  /// The tensors that it is, or the rows of tensors that it is made of.
  ///
  /// Of a parameter that is one tensor as it is, `whole` is set. Otherwise its parts' rows are those of the tensor's first
  /// dimension, so of a bias they are elements; they cover the parameter in its order. Exchanged halves are two parts of one tensor.
  package let placement: TensorPlacement
  /// The component that it belongs to.
  package let component: Component
}
