import Platform
import Testing

@testable import Checkpoints

@Suite struct HubReferenceTests {
  @Test(
    arguments: [
      ("org/name", "org/name", nil, ""), ("gpt2", "gpt2", nil, ""), ("org/name@v1.0", "org/name", "v1.0", ""),
      ("org/name@refs/pr/3", "org/name", "refs/pr/3", ""), ("org/name@feature/x", "org/name", "feature/x", ""),
      ("hf://org/name", "org/name", nil, ""), ("hf://models/org/name/", "org/name", nil, ""),
      ("hf://org/name/sub/a@b.txt", "org/name", nil, "sub/a@b.txt"),
      ("hf://org/name@v1/sub/x", "org/name", "v1", "sub/x"),
      ("hf://org/name@refs/pr/3/sub/x", "org/name", "refs/pr/3", "sub/x"),
      ("hf://org/name@refs/convert/parquet/x", "org/name", "refs/convert/parquet", "x"),
      ("hf://org/name@feature%2Fx/sub", "org/name", "feature/x", "sub"),
    ] as [(String, String, String?, String)])
  func readsNames(_ text: String, _ repository: String, _ revision: String?, _ path: String) throws {
    #expect(try HubReference(text) == HubReference(repository: repository, revision: revision, path: path))
  }

  // As huggingface_hub.utils.validate_repo_id refuses them.
  @Test(arguments: [
    "", "a/b/c", "org/na--me", "org/na..me", "org/name.git", ".org/name", "org/name-", "org/-name", "org/na me", "org/",
    "/name", "org/name@", "org/name@../x", "org/name@/x", "org/näme", "org/" + String(repeating: "a", count: 97),
    "org/name@a//b", "org/name@a\nb",
  ])
  func otherTextsAreNoNames(_ text: String) throws { #expect(try HubReference(text) == nil) }

  @Test(arguments: [
    "hf://", "hf://gpt2", "hf://datasets/org/name", "hf://org/na--me", "hf://org/name@", "hf://org/name@..%2Fx",
    "hf://org/name@%ff",
  ])
  func malformedAddressesAreErrors(_ text: String) {
    let error = #expect(throws: HubError.self) { try HubReference(text) }
    #expect(error?.errorClass == "hub-address")
    #expect(error?.category == .refusedInput)
  }
}

@Suite struct HubEnvironmentTests {
  // Each line is what huggingface_hub.constants.HF_HUB_CACHE says with these variables and HOME=/home/me.
  @Test(
    arguments: [
      ([:], "/home/me/.cache/huggingface/hub"), (["XDG_CACHE_HOME": "/x"], "/x/huggingface/hub"),
      (["HF_HOME": "/h", "XDG_CACHE_HOME": "/x"], "/h/hub"), (["HF_HOME": "~/h/"], "/home/me/h/hub"),
      (["HF_HOME": "$A/${B}/$C", "A": "/a", "B": "b"], "/a/b/$C/hub"),
      (["HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/h"], "/old"),
      (["HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "/new"], "/new"), (["HF_HUB_CACHE": "~"], "/home/me"),
      (["HF_HOME": ""], "hub"), (["HF_HUB_CACHE": ""], ""), (["XDG_CACHE_HOME": "~/c"], "/home/me/c/huggingface/hub"),
      (["HF_HUB_CACHE": "/a/$/${/$"], "/a/$/${/$"), (["HF_HUB_CACHE": "~you/x"], "~you/x"),
      (["HF_HUB_CACHE": "$A", "A": "$B", "B": "b"], "$B"),
    ] as [([String: String], String)])
  func findsTheCache(_ variables: [String: String], _ path: String) {
    #expect(HubEnvironment.cachePath(variables, home: "/home/me") == path)
  }
}
