import ArgumentParser

/// `safemerge completion SHELL`: prints what a shell needs to complete commands, options and their values.
struct CompletionCommand: ParsableCommand {
  enum Shell: String, CaseIterable, ExpressibleByArgument { case bash, zsh, fish }

  static let configuration = CommandConfiguration(
    commandName: "completion",
    abstract: "Print a shell completion script.",
    discussion: """
      Examples:
        safemerge completion bash > ~/.local/share/bash-completion/completions/safemerge
        safemerge completion zsh > ~/.zfunc/_safemerge
        safemerge completion fish > ~/.config/fish/completions/safemerge.fish
      """)

  @Argument(help: "The shell.")
  var shell: Shell

  @OptionGroup var display: DisplayOptions

  @OptionGroup var help: HelpOptions

  func run() throws {
    let kind: CompletionShell =
      switch shell {
      case .bash: .bash
      case .zsh: .zsh
      case .fish: .fish
      }
    var output = StandardOutput()
    try output.write(Safemerge.completionScript(for: kind) + "\n")
    try output.finish()
  }
}

extension CompletionKind {
  /// Paths of models: a folder, a safetensors file or an index.
  static var model: CompletionKind { .file(extensions: ["safetensors", "json"]) }
}
