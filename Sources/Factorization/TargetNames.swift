/// The names in `target_modules` that select some modules of a model and no others.
enum TargetNames {
  /// The last components of the modules' paths, where every module with that component is selected; whole paths of the others.
  ///
  /// PEFT selects a module if its path is a name in the list or ends with a dot and one.
  static func shortest(for modules: [String], among all: [String]) -> [String] {
    let chosen = Set(modules)
    func leaf(_ module: String) -> Substring { module.split(separator: ".").last ?? module[...] }
    var whole: Set<Substring> = Set(modules.map(leaf))
    for module in all where !chosen.contains(module) { whole.remove(leaf(module)) }
    return modules.map { whole.contains(leaf($0)) ? String(leaf($0)) : $0 }.uniqued.sorted()
  }
}
