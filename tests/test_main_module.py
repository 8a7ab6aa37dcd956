"""A script runs in the command as it runs in Python itself."""

import os
import subprocess
import sys

import pytest

from keraskip.scripts.import_hook import once_imported

# Prints all that a script can see of how it was started, and fails.
CURIOUS = '''
"""A docstring."""
import atexit, os, pickle, sys

number: int = 3

class Mine:
    pass

def fail():
    raise ValueError("on purpose") from None

if __name__ == "__main__":
    assert isinstance(pickle.loads(pickle.dumps(Mine())), Mine)
    atexit.register(lambda: print("at exit", number, pickle.dumps(Mine())))
    for name in "__annotations__ __builtins__ __cached__ __doc__ __file__ __name__".split():
        print(name, globals()[name])
    print(type(__loader__), __package__, getattr(__spec__, "name", None), os.getcwd())
    print(sys.argv, sys.path[0], sys.excepthook, vars(sys.modules["__main__"]) is globals())
    known = "keras", "tensorflow", "jax", "torch", "numpy", "pandas", "pyarrow"
    print("loaded:", *(name for name in known if name in sys.modules))
    sys.stdout.flush()
    {end}
'''
ENDS = {
    "done": "pass",
    "error": "fail()",
    "syntax": "exec('1 +')",
    "interrupt": "raise KeyboardInterrupt",
    "exit": "sys.exit(3)",
    "message": "sys.exit('a message')",
}


def both(folder, *typed):
    """What Python does, and what the command does."""
    options = {"cwd": folder, "capture_output": True, "text": True}
    python = subprocess.run([sys.executable, *typed], **options)
    command = [sys.executable, "-m", "keraskip", "record", *typed]
    return python, subprocess.run(command, **options)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "__init__.py").touch()
    return tmp_path


@pytest.mark.parametrize("end", ENDS)
def test_a_script_sees_what_it_sees_in_python(folder, end):
    (folder / "inner" / "train.py").write_text(CURIOUS.replace("{end}", ENDS[end]))
    python, command = both(folder, "inner/train.py", "--help", "--", "-m")
    assert command.stdout == python.stdout
    assert command.returncode == python.returncode
    *said, sentence = command.stderr.splitlines()
    assert said == python.stderr.splitlines()
    assert sentence.startswith("keraskip: the script ")
    assert sentence.endswith(" in this process, so nothing is recorded.")
    assert sorted(os.listdir(folder)) == ["inner"]


@pytest.mark.parametrize("name", ["inner.train", "inner"])
def test_a_module_sees_what_it_sees_in_python(folder, name):
    for file in "train", "__main__":
        (folder / "inner" / f"{file}.py").write_text(CURIOUS.replace("{end}", "fail()"))
    python, command = both(folder, "-m", name, "--every", "x")
    assert command.stdout == python.stdout
    assert command.returncode == python.returncode == 1
    kept = [line for line in python.stderr.splitlines() if "<frozen runpy>" not in line]
    assert command.stderr.splitlines()[:-1] == kept


def test_a_missing_module_is_named(folder):
    _, command = both(folder, "-m", "inner.missing")
    assert command.returncode == 1
    assert command.stderr.splitlines()[0] == "keraskip: No module named inner.missing"
    (folder / "inner" / "__init__.py").write_text("import not_installed")
    _, command = both(folder, "-m", "inner.train")
    assert "No module named 'not_installed'" in command.stderr


def test_a_package_is_noticed_when_it_has_been_imported(tmp_path, monkeypatch):
    (tmp_path / "pretended.py").write_text("value = 1")
    monkeypatch.syspath_prepend(tmp_path)
    finders, seen = list(sys.meta_path), []
    with once_imported("pretended", lambda: seen.append(sys.modules["pretended"].value)):
        from importlib.util import find_spec

        assert find_spec("pretended")  # which imports nothing
        assert seen == []
        import pretended

        assert seen == [1]
        assert "exec_module" not in vars(pretended.__loader__)
    assert sys.meta_path == finders
    with once_imported("pretended", lambda: seen.append(2)):
        assert seen == [1, 2]
    with once_imported("never", seen.clear):
        pass
    assert sys.meta_path == finders
    assert seen == [1, 2]
