import platform
import resource
import subprocess
import sys

import pytest

from longspan.allocator import keep_freed_memory, keep_one_arena

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another malloc than glibc's")

# Pages that a second buffer of 16 MiB costs once a first one, of the same size, has been freed.
FRESH_PAGES = """
import ctypes, os, resource
{}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    buffers = [libc.malloc(2**24) for _ in range(3)]
    for each in buffers:
        ctypes.memset(each, 1, 2**24)
    for each in buffers:
        libc.free(each)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def fresh_pages(statement, **environment):
    done = subprocess.run(
        [sys.executable, "-c", FRESH_PAGES.format(statement)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path), **environment},
    )
    return int(done.stdout)


@glibc
def test_freed_buffers_are_used_again():
    pages = 3 * 2**24 / resource.getpagesize()
    assert fresh_pages("") > pages / 2
    assert fresh_pages("import longspan") < pages / 100


@glibc
def test_what_the_user_chose_stays():
    pages = 3 * 2**24 / resource.getpagesize()
    assert fresh_pages("import longspan", MALLOC_MMAP_THRESHOLD_="131072") > pages / 2
    assert not keep_freed_memory({"MALLOC_ARENA_MAX": "1"})
    assert not keep_freed_memory({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"})
    assert not keep_freed_memory({"LD_PRELOAD": "libjemalloc.so.2"})


def test_another_malloc_is_left_alone(monkeypatch):
    monkeypatch.setattr("longspan.allocator.ctypes.CDLL", lambda name: object())  # macOS, Windows, musl
    assert not keep_freed_memory({})


# How many heaps malloc has once three threads have asked it for memory, each while the others still run.
HEAPS = """
import ctypes, threading
{}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
barrier = threading.Barrier(3)
def ask():
    libc.malloc(1000)
    barrier.wait()
threads = [threading.Thread(target=ask) for _ in range(3)]
for each in threads: each.start()
for each in threads: each.join()
libc.fopen.restype, libc.fopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_char_p]
libc.malloc_info.argtypes, libc.fclose.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]
stream = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, stream)
libc.fclose(stream)
"""


@glibc
def test_threads_of_a_server_share_a_heap():
    def heaps(statement):
        done = subprocess.run(
            [sys.executable, "-c", HEAPS.format(statement)],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": ":".join(sys.path)},
        )
        return done.stdout.count("<heap nr=")

    assert heaps("") > 1
    assert heaps("from longspan.allocator import keep_one_arena; keep_one_arena()") == 1
    assert not keep_one_arena({"MALLOC_ARENA_MAX": "4"})
