"""Execute a notebook with papermill: the job is a JSON argument, events go as JSON lines to stdout.

Runs in a session of its own as `python -m aelib.series.worker`, so that a notebook can take down no more than
this process. An event is an update of outcome.ExecutionRecord. What became of a cell is what the kernel replied, for
papermill calls a cell completed that never ran.
"""

import json
import os
import shutil
import signal
import sys
import threading

from aelib._processes import TOKEN, kill_process_tree
from aelib.series.verdict import METRICS_MIME


def main():
    """Execute the job, and report the error that ended it, if any."""
    # A private copy: a cell's prints must not mix with the events, nor the kernel hold the pipe open.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = json.loads(sys.argv[1])
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
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager
    from papermill.engines import NBClientEngine
    from papermill.execute import raise_for_execution_errors
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    notebook = load_notebook_node(os.path.join(job["folder"], "source.ipynb"))
    # In the source: the cell that papermill inserts moves the cells after it.
    indices = {cell.id: index for index, cell in enumerate(notebook.cells)}
    notebook = parameterize_notebook(notebook, job["parameters"], kernel_name="python3", language="python")
    statuses = {}  # of the cells that were begun, by id

    class KernelManager(AsyncKernelManager):
        """Reports how a kernel ended, which nbclient's DeadKernelError leaves out, and avoids a race for ports.

        A free port is found, let go, and taken by the kernel a second later. Where another one, of a run beside this,
        was quicker, the kernel dies, or it lives and is never heard.
        """

        def __init__(self, **kwargs):
            file = os.path.join(job["sockets"], "kernel.json")
            # The sockets of the file system are named after the file; longer names are not possible.
            transport = "ipc" if len(os.fsencode(file)) < 90 else "tcp"
            super().__init__(**kwargs, connection_file=file, transport=transport)

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
        statuses[cell.id] = "failed"  # until the kernel replies that it was not
        report(started=indices.get(cell.id))

    def replied(cell, cell_index, execute_reply):
        content = execute_reply["content"]
        if content["status"] == "ok":
            statuses[cell.id] = "completed"
        records = [output.data[METRICS_MIME] for output in cell.outputs if METRICS_MIME in output.get("data", {})]
        fields = {key: content.get(key) for key in ("status", "ename", "evalue")}
        report(reply={"cell": indices.get(cell.id), "records": records, **fields})

    try:
        # Not papermill.execute_notebook, which writes the notebook twice per cell: 3 s of a quick notebook.
        NBClientEngine.execute_notebook(
            notebook,
            "python3",
            progress_bar=False,
            start_timeout=120,
            # The default of 4 s loses the end of a long output.
            iopub_timeout=120,
            # Nothing of a kernel counts after its last cell, and TensorFlow takes seconds to leave.
            shutdown_kernel="immediate",
            kernel_manager_class=KernelManager,
            on_cell_execute=started,
            on_cell_executed=replied,
        )
    finally:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.metadata.papermill.status = statuses.get(cell.id, "pending")
        nbformat.write(notebook, os.path.join(job["folder"], "executed.ipynb"))
    # Also for an error that is only shown, as that of a script in %run, to which the kernel replies "ok".
    raise_for_execution_errors(notebook, None)


def _die_with_the_run(sockets):
    # The run holds the other end of stdin: its end, however sudden, ends this process and all it started.
    sys.stdin.read()
    kill_process_tree(os.getpid(), os.environ.get(TOKEN))
    shutil.rmtree(sockets, ignore_errors=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
