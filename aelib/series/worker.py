"""A stripped notebook and its parameters in (a JSON line on stdin); events out (JSON lines on stdout).

Runs in a session of its own as `python -m aelib.series.worker`, so that a notebook can take down no more than
this process. An event `replied` rests on the reply of the kernel, for papermill calls a cell completed that
never ran.
"""

import json
import os
import shutil
import signal
import sys
import threading

from aelib.series.document import INDEX
from aelib.series.processes import TOKEN, end_family
from aelib.series.verdict import METRICS_MIME


def main():
    # A private copy: a cell's prints must not mix with the events, nor the kernel hold the pipe open.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_die_with_the_run, args=(job["sockets"],), daemon=True).start()

    def tell(event, **fields):
        events.write(json.dumps({"event": event, **fields}) + "\n")
        events.flush()

    try:
        _execute(job, tell)
        tell("end", ename=None, evalue="")
    except Exception as error:
        tell("end", ename=type(error).__name__, evalue=str(error)[:2000])


def _execute(job, tell):
    import papermill
    from jupyter_client.manager import AsyncKernelManager
    from papermill.engines import NBClientEngine, papermill_engines

    class SeldomSaving(NBClientEngine):
        """Saves at most once a second, and at the end; papermill saves twice per cell: 3 s of a quick notebook."""

        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
            save = nb_man.save

            def seldom(**kwargs):
                if (nb_man.now() - nb_man.last_save_time).total_seconds() >= 1:
                    save(**kwargs)

            nb_man.save = seldom
            try:
                return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)
            finally:
                nb_man.save = save

    class KernelManager(AsyncKernelManager):
        """Tells how a kernel ended, which nbclient's DeadKernelError leaves out, and spares it a race for ports.

        A free port is found, let go, and taken by the kernel a second later. Where another one, of a run beside this,
        was quicker, the kernel dies, or it lives and is never heard.
        """

        def __init__(self, **kwargs):
            super().__init__(**kwargs, **_connection(job["sockets"]))

        async def is_alive(self):
            alive = await super().is_alive()
            if not alive and self.has_kernel:
                tell("dead", exitcode=await self.provisioner.poll())
            return alive

    def started(cell, cell_index):
        tell("started", cell=cell.metadata.get(INDEX))

    def replied(cell, cell_index, execute_reply):
        content = execute_reply["content"]
        records = [output.data[METRICS_MIME] for output in cell.outputs if METRICS_MIME in output.get("data", {})]
        fields = {key: content.get(key) for key in ("status", "ename", "evalue")}
        tell("replied", cell=cell.metadata.get(INDEX), records=records, **fields)

    papermill_engines.register("seldom saving", SeldomSaving)
    papermill.execute_notebook(
        job["source"],
        job["executed"],
        parameters=job["parameters"],
        kernel_name="python3",
        language="python",
        engine_name="seldom saving",
        progress_bar=False,
        autosave_cell_every=5,
        cwd=job["cwd"],
        start_timeout=120,
        # The default of 4 s loses the end of a long output.
        iopub_timeout=120,
        # Nothing of a kernel counts after its last cell, and TensorFlow takes seconds to leave.
        shutdown_kernel="immediate",
        kernel_manager_class=KernelManager,
        on_cell_execute=started,
        on_cell_executed=replied,
    )


def _connection(folder):
    """Sockets of the file system where there are any, and where the system takes so long a path."""
    file = os.path.join(folder, "kernel.json")
    short = len(os.fsencode(file)) < 90
    return {"connection_file": file, "transport": "ipc" if os.name == "posix" and short else "tcp"}


def _die_with_the_run(sockets):
    # The run holds the other end of stdin: its end, however sudden, ends this process and all it started.
    sys.stdin.read()
    end_family(os.getpid(), os.environ.get(TOKEN))
    shutil.rmtree(sockets, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
