"""One side of train_step.py in a process of its own."""

import time
from importlib import import_module

from train_step_setting import Prepared
from worker import serve_answers

from femo_jax.errors import FemoError

WARM_UP = 2
"""Steps before the first that counts; the first of them compiles."""


class Worker:
    """Answers requests about one side: first `prepare`, then `run`."""

    prepared: Prepared

    def answer(self, request: dict) -> dict:
        """The reply to a request; its key `do` names the method."""
        return {"prepare": self.prepare, "run": self.run}[request.pop("do")](**request)

    def prepare(self, module: str, function: str, arguments: dict) -> dict:
        """Makes the side ready with a function of a module that gives a `Prepared`.

        Returns:
          `seconds` of a step, and `images`, `parameters`, `versions` and `gflop`; or `obstacle`, in words, where the
          side is not to be had here.
        """
        try:
            self.prepared = getattr(import_module(module), function)(**arguments)
        except ImportError as error:
            return {"obstacle": f"not installed ({error})"}
        except FemoError as error:
            return {"obstacle": str(error)}
        self.prepared.run(WARM_UP)
        started = time.perf_counter()
        self.prepared.run(1)
        described = {name: getattr(self.prepared, name) for name in ("images", "parameters", "versions", "gflop")}
        return {"seconds": time.perf_counter() - started, **described}

    def run(self, steps: int) -> dict:
        """Takes steps after one that does not count: it wakes threads and refills caches after the others' turns.

        Returns:
          `seconds` of all the steps that count; `cpu_seconds` of the process, in all; the last step's `loss`.
        """
        cpu = time.process_time()
        self.prepared.run(1)
        started = time.perf_counter()
        loss = self.prepared.run(steps)
        seconds = time.perf_counter() - started
        return {"seconds": seconds, "cpu_seconds": time.process_time() - cpu, "loss": loss}


if __name__ == "__main__":
    serve_answers(lambda: Worker().answer)
