import json

import torch
from safetensors.torch import load_file

from app.cli import main
from s3d_core.adapter import CARD, WEIGHTS
from s3d_core.engine import ADAPTERS

SHIPPED = ADAPTERS / "SmolLM2-135M-Instruct"


def test_export_and_import_bring_the_same_adapter_back(tmp_path, capsys):
    lora, back = tmp_path / "lora", tmp_path / "back"
    assert main(["adapter", "export", str(SHIPPED), str(lora), "--base-model", "SmolLM2"]) == 0
    assert main(["adapter", "import", str(lora), str(back)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"Written to {lora}.", f"Written to {back}."]
    assert '"base_model_name_or_path": "SmolLM2"' in (lora / "adapter_config.json").read_text()
    assert json.loads((back / CARD).read_text()) == json.loads((SHIPPED / CARD).read_text())
    before, after = load_file(SHIPPED / WEIGHTS), load_file(back / WEIGHTS)
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())


def test_a_folder_in_use_and_a_source_that_is_no_adapter_are_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert main(["adapter", "export", str(SHIPPED), str(tmp_path)]) == 1
    assert "name a folder that is new or empty" in capsys.readouterr().err
    assert main(["adapter", "export", str(tmp_path), str(tmp_path / "new")]) == 1
    assert "There is no draft adapter" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]
