"""What a JupyterHub for a class of 300 should set, to copy or to load into its own configuration.

The numbers are those of benchmarks/scaling.md ("300 students"). How people log in and where their
servers run (Kubernetes, Docker, systemd) is the hub's own business and not said here. A spawner
that cannot limit memory or processor time, as JupyterHub's default one cannot, ignores the limits.
"""

c = get_config()  # type: ignore[name-defined]  # noqa: F821

# Memory. A lesson keeps 0.5 GiB and takes 0.7 to 1.0 GiB at its peak, a JupyterLab server 0.1 GiB.
# So two lessons fit, and a third one ends its own student's kernel and not everybody's node.
c.Spawner.mem_limit = "2G"
c.Spawner.mem_guarantee = "0.7G"

# Processor time. A lesson computes on one core here, and few students compute at the same moment.
c.Spawner.cpu_limit = 1
c.Spawner.cpu_guarantee = 0.05

c.Spawner.environment = {
    # PyTorch counts the cores of the node, not those of the limit: without this 64 threads would
    # take turns on one core.
    "OMP_NUM_THREADS": "1",
    # Threads that wait sleep after 30 µs instead of keeping a core busy.
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "1000",
}

# When 300 students come at once, the last server starts later than JupyterHub would wait.
c.Spawner.start_timeout = 180
c.Spawner.http_timeout = 120
c.Spawner.default_url = "/lab/tree/notebooks/00_start_here.ipynb"

# What each student's server is told. A kernel that has done nothing for an hour is shut down, also
# where its page is still open: the explorer and the labs move without it, and "Run All Cells" (in a
# new kernel: a second time, if the first only starts it) brings the rest back. A kernel that
# computes is left alone. A server without kernels ends itself after another hour.
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=3600",
    "--MappingKernelManager.cull_interval=300",
    "--MappingKernelManager.cull_connected=True",
    "--MappingKernelManager.cull_busy=False",
    "--ServerApp.shutdown_no_activity_timeout=3600",
]
