"""Makes Fixtures/image: bases, adapters and expected results of image and video models. `__main__.py` is the command."""
