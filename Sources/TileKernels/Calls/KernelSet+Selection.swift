extension KernelSet {
  /// The kernels that the environment variable `SAFEMERGE_SIMD` asks for.
  ///
  /// - Parameter value: Its value: a name as for ``named(_:)``, or `off` for the portable kernels. Unset or empty
  ///   means ``best``.
  public static func selected(environment value: String?) throws(KernelSelectionError) -> KernelSet {
    switch value {
    case nil, "": best
    case "off"?: try named("portable")
    case let name?: try named(name)
    }
  }
}
