/// How a product with a tensor's weight is summed where the whole weight is needed before a first row can be changed.
public enum WeightProducts {
  /// So many products are summed in fp32 in their order, by fused multiplications and additions; the sums of such runs are
  /// added up in double.
  public static let runLength = 64
}
