"""PyTorch's attention beside Flashlab's, in a process of its own: one JSON object a line on stdin, one back on stdout.

  {"op": "hello", "flush_bytes": 2e8}                    versions, back ends, where NVIDIA's libraries lie
  {"op": "prepare", "dtype": "bf16", "batch": 2, …}      reads Q, K, V from raw files onto the GPU
  {"op": "answer", "backend": "flash", "out": FILE}      one pass; O to a raw file, of the inputs' type
  {"op": "time", "backend": "flash", "runs": 6, "warm_up": 1}   the L2 emptied before each: {"ms": […]}
  {"op": "release"}   {"op": "quit"}

Every reply has "ok"; without it, "reason" says why. Flashlab starts it; it is of no use by hand.
"""

import ctypes
import glob
import json
import os
import sys
import warnings

# Replies go out over what stdout was; what libraries print goes to stderr.
replies = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

BACKENDS = {"math": "MATH", "efficient": "EFFICIENT_ATTENTION", "flash": "FLASH_ATTENTION", "cudnn": "CUDNN_ATTENTION"}


class Peers:
    def __init__(self):
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel

        self.torch, self.sdpa_kernel, self.kinds = torch, sdpa_kernel, SDPBackend
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        self.tensors = None

    def hello(self, request):
        torch = self.torch
        if not torch.cuda.is_available():
            raise RuntimeError("torch %s sees no GPU" % torch.__version__)
        self.flush = torch.zeros(int(request["flush_bytes"]) // 4, dtype=torch.float32, device="cuda")
        backends = [name for name, kind in BACKENDS.items() if hasattr(self.kinds, kind)]
        software = {"python": sys.version.split()[0], "torch": torch.__version__, "torch's CUDA": str(torch.version.cuda)}
        if torch.backends.cudnn.is_available():
            software["cuDNN"] = str(torch.backends.cudnn.version())
        try:
            import flash_attn_interface  # FA-3, where somebody has built it

            self.fa3 = flash_attn_interface.flash_attn_func
            software["FA-3"] = str(getattr(flash_attn_interface, "__version__", "of unknown version"))
            backends.append("fa3")
        except Exception:
            self.fa3 = None
        site = os.path.dirname(os.path.dirname(torch.__file__))
        folders = sorted(glob.glob(os.path.join(site, "nvidia", "*", "lib")))
        return {"software": software, "backends": backends, "library_folders": folders,
                "device": torch.cuda.get_device_name()}

    def prepare(self, request):
        torch = self.torch
        self.release({})
        dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[request["dtype"]]
        self.causal, self.grouped = request["causal"], request["kv_heads"] != request["heads"]

        def load(name, heads):
            with open(request[name], "rb") as file:
                values = torch.frombuffer(bytearray(file.read()), dtype=dtype)
            return values.reshape(request["batch"], heads, request["seq"], request["dim"]).cuda()

        self.tensors = load("q", request["heads"]), load("k", request["kv_heads"]), load("v", request["kv_heads"])
        torch.cuda.synchronize()
        return {}

    def release(self, _request):
        self.tensors = None
        self.torch.cuda.empty_cache()
        return {}

    def run(self, backend, body):
        """body(attend) with that back end alone allowed; what torch warns is why it refuses."""
        torch = self.torch
        with warnings.catch_warnings(record=True) as said, torch.inference_mode():
            warnings.simplefilter("always")
            try:
                if backend == "fa3":
                    q, k, v = (t.transpose(1, 2).contiguous() for t in self.tensors)  # it wants (batch, N, heads, d)

                    def attend():
                        o = self.fa3(q, k, v, causal=self.causal)
                        return (o[0] if isinstance(o, tuple) else o).transpose(1, 2)

                    return body(attend)
                q, k, v = self.tensors
                options = {"is_causal": self.causal}
                if self.grouped:
                    options["enable_gqa"] = True
                attention = torch.nn.functional.scaled_dot_product_attention
                with self.sdpa_kernel([getattr(self.kinds, BACKENDS[backend])]):
                    return body(lambda: attention(q, k, v, **options))
            except RuntimeError as error:
                reasons = [str(w.message).split(" (Triggered")[0].strip() for w in said]
                reasons = [r for r in reasons if r and "not used because" not in r and "runtime disabled" not in r]
                raise RuntimeError("; ".join([str(error).splitlines()[0]] + reasons[:2])) from error
            finally:
                if torch.cuda.memory_reserved() > 8 << 30:  # N × N matrices: the next contender needs the room
                    torch.cuda.empty_cache()

    def answer(self, request):
        torch = self.torch

        def body(attend):
            # O has no buffer of ours to poison: NaN in the memory that the allocator will hand out next.
            poison = torch.full_like(self.tensors[0], float("nan"))
            del poison
            o = attend().contiguous()
            torch.cuda.synchronize()
            if o.dtype != self.tensors[0].dtype or o.shape != self.tensors[0].shape:
                raise RuntimeError("O is %s %s" % (o.dtype, tuple(o.shape)))
            o = o.cpu()
            with open(request["out"], "wb") as file:
                file.write(ctypes.string_at(o.data_ptr(), o.numel() * o.element_size()))
            return {}

        return self.run(request["backend"], body)

    def time(self, request):
        torch = self.torch

        def body(attend):
            events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(request["runs"])]
            for _ in range(max(1, request["warm_up"])):  # the first call may wait for memory
                self.flush.sum()
                attend()
            for start, end in events:
                self.flush.sum()  # read, not written: nothing is left to write back while the call runs
                start.record()
                attend()
                end.record()
            torch.cuda.synchronize()
            return {"ms": [start.elapsed_time(end) for start, end in events]}

        return self.run(request["backend"], body)


def main():
    try:
        peers, broken = Peers(), None
    except Exception as error:  # no torch, or one that does not load
        peers, broken = None, "%s: %s" % (type(error).__name__, error)
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "quit":
            return
        try:
            if broken:
                raise RuntimeError(broken)
            reply = {"ok": True, **getattr(peers, request["op"])(request)}
        except Exception as error:
            reply = {"ok": False, "reason": " ".join(("%s" % error or type(error).__name__).split())[:400]}
            if broken is None and "CUDA error" in reply["reason"]:
                reply["fatal"] = True
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
