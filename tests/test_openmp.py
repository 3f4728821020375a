import os
import subprocess
import sys

from longspan.openmp import set_short_waits


def test_threads_spin_briefly_unless_the_user_chose_otherwise():
    environment = {}
    set_short_waits(environment)
    assert environment == {"GOMP_SPINCOUNT": "10000", "KMP_BLOCKTIME": "0"}
    for chosen in ({"GOMP_SPINCOUNT": "5"}, {"OMP_WAIT_POLICY": "ACTIVE"}):
        environment = dict(chosen)
        set_short_waits(environment)
        assert environment.items() >= chosen.items()
        assert ("GOMP_SPINCOUNT" in environment) == ("GOMP_SPINCOUNT" in chosen)


def test_it_is_set_before_pytorch_is_loaded():
    code = "import os, sys, longspan; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    environment = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["10000", "False"]
