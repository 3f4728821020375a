import subprocess
import sys
from textwrap import dedent


def _said(program):
    return subprocess.run(
        [sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=True, timeout=120
    ).stdout.split()


def test_the_compiler_is_imported_only_when_it_is_asked():
    said = _said("""
        import sys, torch
        from longspan.light_torchvision import import_torchvision
        torchvision = import_torchvision()
        print("torch._dynamo" in sys.modules, torchvision is sys.modules["torchvision"])
        image, box = torch.arange(16.0).reshape(1, 1, 4, 4), torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])
        print(float(torchvision.ops.roi_align(image, box, (1, 1), aligned=True)))
        print(torchvision.ops.roi_align.__globals__["is_compile_supported"]("cpu"), "torch._dynamo" in sys.modules)
        import torch._dynamo
        print(callable(torch._dynamo.optimize), torch._dynamo.utils.is_compile_supported("cpu"))
    """)
    assert said == ["False", "True", "7.5", "True", "True", "True", "True"]


def test_a_torchvision_that_wants_more_of_the_compiler_gets_it(tmp_path):
    package = tmp_path / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("from torch._dynamo.utils import is_compile_supported, counters\n")
    said = _said(f"""
        import sys, torch
        sys.path.insert(0, {str(tmp_path)!r})
        from longspan.light_torchvision import import_torchvision
        torchvision = import_torchvision()
        import torch._dynamo.utils
        print(torchvision.counters is torch._dynamo.utils.counters, torchvision.is_compile_supported("cpu"))
    """)
    assert said == ["True", "True"]
