"""The examples of docs/python.md run as they are."""

import contextlib
import io
import os
import re
import shutil
from typing import Dict

from support import ADAPTER, BASE, FIXTURES, ROOT, FolderTestCase


class DocumentTests(FolderTestCase):
    def test_examples(self) -> None:
        text = (ROOT / "docs/python.md").read_text(encoding="utf-8")
        examples = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        self.assertGreaterEqual(len(examples), 4)
        shutil.copytree(BASE, self.folder / "base")
        shutil.copytree(FIXTURES / "bases/gpt2-bf16", self.folder / "other-base")
        shutil.copytree(ADAPTER, self.folder / "my-adapter")
        shutil.copytree(FIXTURES / "lora/rslora/bf16/adapter", self.folder / "style-adapter")
        here = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, here)
        names: Dict[str, object] = {}
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            for example in examples:
                exec(compile(example, "docs/python.md", "exec"), names)
        self.assertIn("14 tensors merged\n", printed.getvalue())
        self.assertIn("100%", printed.getvalue())
        self.assertIn("14 of 21 tensors differ\n", printed.getvalue())
        self.assertIn("no-target ./my-adapter/adapter_model.safetensors", printed.getvalue())
