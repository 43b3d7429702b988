"""As much of PyTorch as bench_peers.py uses, for tiny shapes, in plain Python: so that the script is tested without a GPU.

The "flash" back end takes 16 bits only, as the real one; "cudnn" answers wrongly, "efficient" runs out of memory.
"""

import ctypes
import math
import struct
import time
import warnings
from contextlib import contextmanager

__version__ = "0.0 (a fake for tests)"
__file__ = __file__


class dtype:
    def __init__(self, name, size):
        self.name, self.size = name, size

    def pack(self, values):
        if self.name == "float32":
            return struct.pack("<%df" % len(values), *values)
        if self.name == "float16":
            return struct.pack("<%de" % len(values), *values)
        raw = struct.pack("<%df" % len(values), *values)
        return b"".join(raw[i + 2:i + 4] for i in range(0, len(raw), 4))

    def unpack(self, raw):
        if self.name == "float32":
            return list(struct.unpack("<%df" % (len(raw) // 4), raw))
        if self.name == "float16":
            return list(struct.unpack("<%de" % (len(raw) // 2), raw))
        wide = b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2))
        return list(struct.unpack("<%df" % (len(raw) // 2), wide))


float32, float16, bfloat16 = dtype("float32", 4), dtype("float16", 2), dtype("bfloat16", 2)


class Tensor:
    def __init__(self, values, shape, kind):
        self.values, self.shape, self.dtype = values, tuple(shape), kind

    def reshape(self, *shape):
        assert math.prod(shape) == len(self.values)
        return Tensor(self.values, shape, self.dtype)

    def cuda(self):
        return self

    cpu = contiguous = cuda

    def sum(self):
        return 0.0

    def numel(self):
        return len(self.values)

    def element_size(self):
        return self.dtype.size

    def data_ptr(self):
        raw = self.dtype.pack(self.values)
        self.kept = ctypes.create_string_buffer(raw, len(raw))
        return ctypes.addressof(self.kept)


def zeros(size, dtype=float32, device="cpu"):
    return Tensor([0.0], (1,), dtype)


def full_like(tensor, value):
    return Tensor([value] * len(tensor.values), tensor.shape, tensor.dtype)


def frombuffer(raw, dtype):
    return Tensor(dtype.unpack(bytes(raw)), (len(raw) // dtype.size,), dtype)


class Event:
    def __init__(self, enable_timing):
        self.at = 0.0

    def record(self):
        self.at = time.perf_counter()

    def elapsed_time(self, end):
        return (end.at - self.at) * 1e3


class cuda:
    Event = Event
    is_available = staticmethod(lambda: True)
    get_device_name = staticmethod(lambda: "fake card")
    synchronize = empty_cache = staticmethod(lambda: None)
    memory_reserved = staticmethod(lambda: 0)


class version:
    cuda = "0.0"


class _Flags:
    allow_tf32 = True


class backends:
    class cuda:
        matmul = _Flags()

    class cudnn(_Flags):
        is_available = staticmethod(lambda: True)
        version = staticmethod(lambda: 90000)


@contextmanager
def inference_mode():
    yield


_allowed = [None]


def _attention(q, k, v, is_causal=False, enable_gqa=False):
    kind = _allowed[0]
    if kind == "FLASH_ATTENTION" and q.dtype is float32:
        warnings.warn("Flash attention kernel not used because: (Triggered internally at x.h:1)")
        warnings.warn("Expected dtype Half or BFloat16 (Triggered internally at x.h:2)")
        raise RuntimeError("No available kernel. Aborting execution.")
    if kind == "EFFICIENT_ATTENTION":
        raise RuntimeError("CUDA out of memory. Tried to allocate 9.00 GiB.\nmore lines")
    batch, heads, n, d = q.shape
    kv_heads = k.shape[1]
    assert kv_heads == heads or enable_gqa
    out = []
    for b in range(batch):
        for h in range(heads):
            base, kv = (b * heads + h) * n * d, (b * kv_heads + h * kv_heads // heads) * n * d
            for i in range(n):
                keys = range(i + 1 if is_causal else n)
                row = q.values[base + i * d:base + (i + 1) * d]
                s = [sum(x * y for x, y in zip(row, k.values[kv + j * d:kv + (j + 1) * d])) / math.sqrt(d) for j in keys]
                m = max(s)
                p = [math.exp(x - m) for x in s]
                l = sum(p)
                out += [sum(p[j] * v.values[kv + j * d + c] for j in keys) / l for c in range(d)]
    if kind == "CUDNN_ATTENTION":
        out[0] += 1e3
    return Tensor(out, q.shape, q.dtype)


from . import nn  # noqa: E402

nn.functional.scaled_dot_product_attention = _attention
