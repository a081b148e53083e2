import Foundation
import TestSupport
import Testing

@Suite struct CompletionTests {
  /// What bash offers for a command line that ends in the word to be completed.
  private func offersOfBash(_ words: [String], folder: String) throws -> [String] {
    let script = """
      eval "$("$0" completion bash)" || exit 9
      COMP_WORDS=(safemerge "$@"); COMP_CWORD=$#; COMP_LINE="safemerge $*"; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
      previous=${COMP_WORDS[COMP_CWORD-1]}
      _safemerge safemerge "${COMP_WORDS[COMP_CWORD]}" "$previous" 2>/dev/null
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let file = folder + "/script"
    try write(Array(script.utf8), to: file)
    let result = try Program.run(words, shell: #"exec bash -c "$(cat "# + file + #")" "$0" "$@""#, folder: folder)
    #expect(result.status == 0, "\(result.messages)")
    return result.lines
  }

  static let bash = FileManager.default.isExecutableFile(atPath: "/bin/bash")

  @Test(
    .enabled(if: bash),
    arguments: [
      (["me"], ["merge"]), (["comp"], ["completion"]), (["merge", "--dty"], ["--dtype"]),
      (["merge", "--dtype", ""], ["auto", "bfloat16", "float16", "float32"]),
      (["ls", "--format", "t"], ["table", "tsv"]),
      (["completion", ""], ["bash", "zsh", "fish"]), (["check", "--agai"], ["--against"]),
    ] as [([String], [String])])
  func bashOffers(words: [String], expected: [String]) throws {
    let scratch = try Scratch()
    let offers = try offersOfBash(words, folder: scratch.path)
    #expect(Set(expected).isSubset(of: offers), "\(offers)")
    if words.last != "" { #expect(offers.allSatisfy { $0.hasPrefix(words.last ?? "") }, "\(offers)") }
  }

  /// Paths are offered where a path is meant.
  @Test(.enabled(if: bash)) func bashOffersPaths() throws {
    let scratch = try Scratch()
    try FileManager.default.createDirectory(atPath: scratch.file("model-folder"), withIntermediateDirectories: false)
    try write([], to: scratch.file("model.safetensors"))
    try write([], to: scratch.file("model.bin"))
    #expect(try Set(offersOfBash(["merge", "mod"], folder: scratch.path)) == ["model-folder", "model.safetensors"])
    #expect(try Set(offersOfBash(["ls", "mod"], folder: scratch.path)) == ["model-folder", "model.safetensors"])
    #expect(try offersOfBash(["ls", "--base", "mod"], folder: scratch.path).contains("model-folder"))
  }

  @Test(arguments: [("bash", "/bin/bash"), ("zsh", "/usr/bin/zsh"), ("fish", "/usr/bin/fish")])
  func shellReadsItsScript(name: String, shell: String) throws {
    let result = try Program.run(["completion", name])
    #expect(result.status == 0 && result.errors == [] && result.lines.count > 50)
    for word in ["merge", "completion", "--max-shard-size", "bfloat16"] where !result.text.contains(word) {
      // fish writes options without their dashes.
      #expect(result.text.contains(word.replacingOccurrences(of: "--", with: "")), "\(word)")
    }
    guard FileManager.default.isExecutableFile(atPath: shell) else { return }
    let read = try Program.run(["completion", name], shell: "\"$0\" \"$@\" > script && exec \(shell) -n script")
    #expect(read.status == 0 && read.errors == [], "\(read.messages)")
  }

  @Test func otherShellsAreRefused() throws {
    #expect(try Program.run(["completion", "tcsh"]).status == 2)
    #expect(try Program.run(["completion"]).status == 2)
    #expect(try Program.run(["completion", "bash"], shell: "exec \"$0\" \"$@\" > /dev/full").status == 4)
  }
}
