from __future__ import annotations

import hashlib
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from experiments.harness import provenance
from experiments.harness.provenance import PACKAGES, _code, export_hash, hardware, source_hash, versions

FILES = {
    "lightning_modules/__init__.py": "",
    "lightning_modules/net.py": "import torch\nfrom lightning_modules.layers import block\n",
    "lightning_modules/layers/__init__.py": "",
    "lightning_modules/layers/block.py": "def later():\n    import datamodules.batch\n",
    "datamodules/__init__.py": "",
    "datamodules/batch.py": "import lightning_modules.net  # a circle\n",
    "datamodules/unused.py": "",
}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which a class of net.py needs block.py, and that one batch.py inside a function."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    return tmp_path


def hash_of_net() -> str:
    source_hash.cache_clear()
    return source_hash(type("Net", (), {"__module__": "lightning_modules.net"}))


@pytest.fixture(autouse=True)
def forget_hashes():
    yield
    source_hash.cache_clear()


@pytest.mark.parametrize(
    "name", ["lightning_modules/net.py", "lightning_modules/layers/block.py", "datamodules/batch.py"]
)
def test_code_is_older_when_any_file_that_it_imports_has_changed(repository: Path, name: str):
    before = hash_of_net()
    path = repository / name
    path.write_text(path.read_text() + "changed = True\n")
    assert hash_of_net() != before


def test_code_is_not_older_because_of_values_that_the_arguments_hold(repository: Path):
    path = repository / "datamodules/synthetic/stand_ins.py"
    path.parent.mkdir()
    path.write_text("DIFFICULTY = 1\n")
    net = repository / "lightning_modules/net.py"
    net.write_text(net.read_text() + "from datamodules.synthetic.stand_ins import DIFFICULTY\n")
    before = hash_of_net()
    path.write_text("DIFFICULTY = 2\n")
    assert hash_of_net() == before


def test_code_is_not_older_because_of_files_that_it_does_not_import(repository: Path):
    before = hash_of_net()
    (repository / "datamodules/unused.py").write_text("x = 1\n")
    (repository / "lightning_modules/new.py").write_text("x = 1\n")
    assert hash_of_net() == before


def test_code_is_not_older_because_of_comments_docstrings_or_layout(repository: Path):
    before = hash_of_net()
    path = repository / "lightning_modules/layers/block.py"
    path.write_text('"""What it does."""\n\n\ndef later():  # a remark\n    """Say."""\n    import datamodules.batch\n')
    assert hash_of_net() == before


def test_a_moved_file_is_another_source(repository: Path):
    before = hash_of_net()
    (repository / "lightning_modules/layers/block.py").rename(repository / "lightning_modules/layers/part.py")
    (repository / "lightning_modules/net.py").write_text(FILES["lightning_modules/net.py"].replace("block", "part"))
    assert hash_of_net() != before


def test_code_of_others_is_told_by_its_version_not_by_its_files():
    assert source_hash(Path) == source_hash(dict)
    found = versions()
    assert set(found) == {"python", *PACKAGES}
    assert found["python"] == ".".join(map(str, sys.version_info[:3])) and found["numpy"] == version("numpy")


def test_a_package_that_is_not_there_is_named_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("no-such-package",))
    assert versions()["no-such-package"] == "not installed"


def test_the_sources_of_a_real_module_reach_network_layers_and_losses(monkeypatch: pytest.MonkeyPatch):
    from lightning_modules.ligar import Ligar

    seen = []
    read = provenance._own_imports
    monkeypatch.setattr(provenance, "_own_imports", lambda path: seen.append(path) or read(path))
    source_hash.cache_clear()
    source_hash(Ligar)
    names = {
        str(path.relative_to(provenance.REPOSITORY / "lightning_modules")) for path in seen if "data" not in str(path)
    }
    expected = {"ligar/network.py", "layers/depthwise.py", "base.py", "losses/am_softmax.py", "recipe.py"}
    assert expected <= names


def test_the_processor_has_a_name():
    assert hardware("cpu").endswith("(CPU)") and len(hardware("cpu")) > len(" (CPU)")


def test_a_processor_without_a_name_is_told_by_its_kind(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(provenance, "_cpuinfo", lambda: [])
    assert hardware("cpu").endswith("(CPU)")


def test_the_export_has_a_hash_of_its_own_that_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch):
    from lightning_modules.ligar import Ligar

    source_hash.cache_clear()
    before, exported = source_hash(Ligar), export_hash()
    read = provenance._code
    monkeypatch.setattr(provenance, "_code", lambda path: read(path) + ("#" if path.parent.name == "deploy" else ""))
    for cached in (source_hash, export_hash):
        cached.cache_clear()
    assert source_hash(Ligar) == before and export_hash() != exported
    export_hash.cache_clear()


TRICKY = """
from . import other as o

class Shape(o.Base, metaclass=type):
    size: int = 1_000
    def area(self, /, *sides: float, **rest) -> str:
        first, *others = sides
        match rest:
            case {"name": str(name), **left} if (n := len(left)) > 1e-3: ...
            case [1, _] | None: pass
        text = f"{name!r:>{n}} {rest['its']} {'a' 'b'} {n=}" "and" f'{{}}' + rb"\\x00".decode()
        return lambda x, *, y=-1j: [x for x in y if not x] and {**rest, "k": {*others}}
"""


def test_the_hash_of_code_is_the_same_for_every_version_of_python(tmp_path: Path):
    (path := tmp_path / "tricky.py").write_text(TRICKY)
    assert hashlib.sha256(_code(path).encode()).hexdigest()[:16] == "8d383a54d2a552c6"  # of 3.11, 3.12, 3.13
