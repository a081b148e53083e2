"""The second part of generate.py: "all of LoRA" (cases-all-lora.json)."""
