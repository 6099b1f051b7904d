from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("experiments", "lightning_modules", "datamodules")
PAPERS = ("ligar", "action_net", "kpsem", "ms3d", "vipriors")
# The study compares the papers and combines their parts: the one place that may import them all, so that no paper's
# folder has to know another. Its modules stand in a folder like a paper's, and nothing but its scripts imports them.
STUDY = "study"
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SCRIPTS = sorted(
    path for path in (ROOT / "experiments").glob("*_*.py") if re.search(r"_(table|figure|cross)\w*$", path.stem)
)
SCRIPT_MODULES = {f"experiments.{path.stem}" for path in SCRIPTS}

PLAIN_TORCH = (
    *(f"lightning_modules.{name}" for name in ("layers", "losses", "backbones", "heads")),
    *(f"datamodules.{name}" for name in ("frame_sampling", "transforms")),
)
WITHOUT_TORCH = ("spec", "cell", "store", "statistics", "render", "plan", "evidence", "arguments")
IMPORTED_WHERE_USED = ("wandb", "openvino", "timm", "matplotlib", "av", "pytorchvideo")
PASSPORT = ("Reproduced", "Schematic drawings", "Where to find it", "What the paper leaves open", "Where paper and",
            "Known errors in the published tables", "Symbols")  # fmt: skip

PROGRAMS = {"datamodules.check", "datamodules.cache"}  # started by a user, imported by nothing that trains
MOST_LINES = 300
LONGER = {
    "experiments/benchmarks/training.py": 320,
}


@dataclass(frozen=True)
class Import:
    """One imported module, seen from one file."""

    importer: str
    module: str
    at_top: bool

    def of(self, *packages: str) -> bool:
        return any(self.module == package or self.module.startswith(f"{package}.") for package in packages)

    def within(self, *packages: str) -> bool:
        return any(self.importer == package or self.importer.startswith(f"{package}.") for package in packages)

    def __str__(self) -> str:
        return f"{self.importer} imports {self.module}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[Import]:
    """Yield what a file imports, wherever it does so, but for annotations alone."""
    importer, package = (
        module_name(path),
        module_name(path) if path.stem == "__init__" else module_name(path.parent / "__init__"),
    )
    tree = ast.parse(path.read_text())

    def visit(node: ast.AST, at_top: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            yield from (Import(importer, alias.name, at_top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(filter(None, [*package.split(".")[: len(package.split(".")) - node.level + 1], base]))
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(importer, full if is_module(full) else base, at_top)
        inside = at_top and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    yield from visit(tree, True)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


IMPORTS = [found for path in FILES for found in imports_of(path)]


def none_of(found: list[Import]) -> None:
    assert not found, "\n".join(sorted({str(one) for one in found}))


def paper_of(module: str) -> str | None:
    """Return the paper whose folder, data file or script a module is."""
    for paper in PAPERS:
        own = (f"lightning_modules.{paper}", f"datamodules.{paper}")
        if any(module == name or module.startswith(f"{name}.") for name in own) or re.match(
            rf"experiments\.{paper}_", module
        ):
            return paper
    return None


def of_study(module: str) -> bool:
    """Say whether a module is the study's."""
    return re.match(rf"(lightning_modules\.{STUDY}(\.|$)|experiments\.{STUDY}_)", module) is not None


def test_the_reader_of_imports_sees_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    for name in ("a/__init__.py", "a/b.py", "a/c/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a/c/d.py").write_text(
        "import x.y, z\nfrom a import b\nfrom .. import b as e\nfrom a.b import name\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import unseen\n"
        "class C:\n    import early\n    def f(self):\n        import late\n"
    )
    seen = [(one.module, one.at_top) for one in imports_of(tmp_path / "a/c/d.py")]
    assert seen == [("x.y", True), ("z", True), ("a.b", True), ("a.b", True), ("a.b", True), ("typing", True),
                    ("early", True), ("late", False)]  # fmt: skip


def test_a_paper_imports_no_other_paper():
    none_of([i for i in IMPORTS if paper_of(i.importer) and paper_of(i.module) not in (None, paper_of(i.importer))])


def test_what_is_shared_imports_no_paper():
    shared = [i for i in IMPORTS if paper_of(i.importer) is None and not of_study(i.importer) and paper_of(i.module)]
    none_of([i for i in shared if not i.within("experiments.__main__", "experiments.tools", "experiments.benchmarks")])


def test_the_study_may_import_every_paper_and_is_imported_by_none():
    assert {paper_of(i.module) for i in IMPORTS if of_study(i.importer)} >= {*PAPERS}
    none_of([i for i in IMPORTS if of_study(i.module) and not of_study(i.importer)])


def test_the_studys_modules_take_a_papers_public_parts_alone():
    named = [
        f"{path.name}: {alias.name}"
        for path in FILES
        if of_study(module_name(path))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert not named


def test_modules_know_of_data_the_batch_alone_and_data_know_of_no_modules():
    none_of(
        [
            i
            for i in IMPORTS
            if i.within("lightning_modules") and i.of("datamodules") and i.module != "datamodules.batch"
        ]
    )
    none_of([i for i in IMPORTS if i.within("datamodules") and i.of("lightning_modules")])


def test_modules_and_data_know_of_no_experiment():
    none_of([i for i in IMPORTS if i.within("lightning_modules", "datamodules") and i.of("experiments", "tests")])


def test_layers_losses_and_samplers_are_plain_torch():
    none_of([i for i in IMPORTS if i.within(*PLAIN_TORCH) and i.of("lightning", "pytorch_lightning")])


def test_frame_sampling_is_plain_numpy():
    none_of([i for i in IMPORTS if i.within("datamodules.frame_sampling") and i.of("torch")])


def test_the_harness_knows_no_script():
    none_of([i for i in IMPORTS if i.within("experiments.harness") and i.module in SCRIPT_MODULES])


def test_scripts_are_imported_by_tools_benchmarks_and_figures_of_their_paper_alone():
    importing = [i for i in IMPORTS if not i.within("experiments.tools", "experiments.benchmarks")]
    importers = [i for i in importing if i.module in SCRIPT_MODULES]
    none_of(
        [
            i
            for i in importers
            if "_figure" not in i.importer
            or (paper_of(i.importer), of_study(i.importer)) != (paper_of(i.module), of_study(i.module))
        ]
    )


def test_wandb_is_imported_by_tracking_alone():
    none_of([i for i in IMPORTS if i.of("wandb") and i.importer != "experiments.harness.tracking"])


def test_heavy_packages_are_imported_where_they_are_used():
    none_of([i for i in IMPORTS if i.at_top and i.of(*IMPORTED_WHERE_USED) and not i.within("experiments.tools")])


def test_the_specification_and_what_reads_it_need_no_torch():
    modules = [f"experiments.harness.{name}" for name in WITHOUT_TORCH]
    heavy = "('torch', 'lightning', 'torchvision')"
    code = f"import sys, {', '.join(modules)}; print([m for m in {heavy} if m in sys.modules])"
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


@pytest.mark.parametrize("path", [*SCRIPTS, *(ROOT / "experiments").glob("*_profiles.py")], ids=lambda path: path.stem)
def test_importing_a_script_runs_nothing(path: Path):
    for node in ast.parse(path.read_text()).body:
        harmless = ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.ClassDef
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_main = isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        assert isinstance(node, harmless) or is_docstring or is_main, f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_says_paper_command_and_deviations(path: Path):
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    for heading in ("Paper:", "Run:", "Deviations:"):
        assert re.search(rf"^{heading} ", text, re.MULTILINE), f"{heading} is missing"
    assert f"python experiments/{path.name}" in text


def test_every_file_says_its_job_and_is_short():
    silent = [path for path in FILES if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))]
    assert not silent
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert not {name: count for name, count in lines.items() if count > LONGER.get(name, MOST_LINES)}
    assert not {name for name in LONGER if lines.get(name, 0) <= MOST_LINES}, (
        "these are short again: take them off the list"
    )


def test_imports_are_absolute_so_that_the_hash_of_sources_follows_them():
    trees = {path: ast.walk(ast.parse(path.read_text())) for path in FILES}
    assert not [p for p, nodes in trees.items() for node in nodes if isinstance(node, ast.ImportFrom) and node.level]


def test_no_file_is_a_drawer():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    everywhere = [*FILES, *(ROOT / "tests").rglob("*.py")]
    assert not [path for path in everywhere if drawers & set(path.relative_to(ROOT).with_suffix("").parts)]


def test_no_constructor_swallows_keywords():
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            is_constructor = (
                isinstance(node, ast.FunctionDef) and node.name == "__init__" and node.args.kwarg is not None
            )
            if is_constructor and module_name(path).split(".")[0] != "experiments":
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found


def test_modules_and_data_modules_do_not_print():
    found = []
    for path in FILES:
        if module_name(path).split(".")[0] == "experiments" or module_name(path) in PROGRAMS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found


@pytest.mark.parametrize("paper", [p for p in PAPERS if (ROOT / "lightning_modules" / p).is_dir()])
def test_every_paper_has_a_passport(paper: str):
    text = ast.get_docstring(ast.parse((ROOT / "lightning_modules" / paper / "__init__.py").read_text())) or ""
    missing = [heading for heading in PASSPORT if not re.search(rf"^{heading}", text, re.MULTILINE)]
    assert not missing
    for script in SCRIPTS:
        if paper_of(module_name(script)) == paper:
            assert f"experiments/{script.name}" in text, "the passport names each of its scripts"


def test_the_study_has_a_passport_too():
    text = ast.get_docstring(ast.parse((ROOT / "lightning_modules" / STUDY / "__init__.py").read_text())) or ""
    for heading in ("Scripts", "Where to find it", "Equal terms, and what is not equal", "Combinations", "Symbols"):
        assert re.search(rf"^{heading}", text, re.MULTILINE), f"{heading} is missing"
    for script in SCRIPTS:
        assert not of_study(module_name(script)) or f"experiments/{script.name}" in text


def test_every_paper_has_the_same_slug_everywhere():
    for path in (ROOT / "lightning_modules").iterdir():
        shared = {"layers", "losses", "backbones", "heads", "__pycache__"}
        known = shared | {*PAPERS, STUDY}
        assert not path.is_dir() or path.name in known, f"{path.name} is neither shared nor a paper"
    for script in SCRIPTS:
        assert paper_of(module_name(script)) or of_study(module_name(script)), f"{script.name} belongs to no paper"
