"""Execute a notebook with papermill: a job comes as a JSON line on stdin, events go as JSON lines to stdout.

Runs in a session of its own as `python -m aelib.series.worker`, so that a notebook can take down no more than
this process. An event is an update of outcome.ExecutionRecord. A reply is that of the kernel, for papermill calls a
cell completed that never ran.
"""

import json
import os
import shutil
import signal
import sys
import threading

from aelib._processes import TOKEN, kill_process_tree
from aelib.series.document import INDEX
from aelib.series.verdict import METRICS_MIME


def main():
    """Execute the job, and report the error that ended it, if any."""
    # A private copy: a cell's prints must not mix with the events, nor the kernel hold the pipe open.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_die_with_the_run, args=(job["sockets"],), daemon=True).start()

    def report(**event):
        print(json.dumps(event), file=events, flush=True)

    try:
        _execute(job, report)
        report(end={"ename": None, "evalue": ""})
    except Exception as error:
        report(end={"ename": type(error).__name__, "evalue": str(error)[:2000]})


def _execute(job, report):
    import nbformat
    import papermill
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from papermill.engines import NBClientEngine, papermill_engines

    class WritingOnceEngine(NBClientEngine):
        """Writes the notebook when it has ended, however; papermill does twice per cell: 3 s of a quick notebook."""

        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
            try:
                super().execute_managed_notebook(nb_man, kernel_name, **kwargs)
            finally:
                nbformat.write(nb_man.nb, os.path.join(job["folder"], "executed.ipynb"))

    class KernelManager(AsyncKernelManager):
        """Reports how a kernel ended, which nbclient's DeadKernelError leaves out, and avoids a race for ports.

        A free port is found, let go, and taken by the kernel a second later. Where another one, of a run beside this,
        was quicker, the kernel dies, or it lives and is never heard.
        """

        def __init__(self, **kwargs):
            super().__init__(**kwargs, **_connection(job["sockets"]))

        @property
        def kernel_spec(self):
            # This interpreter, whatever "python3" means to the user's Jupyter.
            return KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"])

        async def is_alive(self):
            alive = await super().is_alive()
            if not alive and self.has_kernel:
                report(exitcode=await self.provisioner.poll())
            return alive

    def started(cell, cell_index):
        report(started=cell.metadata.get(INDEX))

    def replied(cell, cell_index, execute_reply):
        content = execute_reply["content"]
        records = [output.data[METRICS_MIME] for output in cell.outputs if METRICS_MIME in output.get("data", {})]
        fields = {key: content.get(key) for key in ("status", "ename", "evalue")}
        report(reply={"cell": cell.metadata.get(INDEX), "records": records, **fields})

    papermill_engines.register("writing once", WritingOnceEngine)
    papermill.execute_notebook(
        os.path.join(job["folder"], "source.ipynb"),
        None,
        parameters=job["parameters"],
        kernel_name="python3",
        language="python",
        engine_name="writing once",
        progress_bar=False,
        cwd=os.getcwd(),
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
    """Return the transport: sockets of the file system, if there are any and the system takes so long a path."""
    file = os.path.join(folder, "kernel.json")
    short = len(os.fsencode(file)) < 90
    return {"connection_file": file, "transport": "ipc" if os.name == "posix" and short else "tcp"}


def _die_with_the_run(sockets):
    # The run holds the other end of stdin: its end, however sudden, ends this process and all it started.
    sys.stdin.read()
    kill_process_tree(os.getpid(), os.environ.get(TOKEN))
    shutil.rmtree(sockets, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
