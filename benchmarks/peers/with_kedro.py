"""kedro-telemetry: its hooks, called before and after a command as Kedro calls them.

Its address is fixed and https: HTTPS_PROXY leads it to loopback.
"""

from kedro_telemetry.plugin import telemetry_hook

from project import run

run(
    lambda command: telemetry_hook.before_command_run(project_metadata=None, command_args=[command]),
    finish=telemetry_hook.after_command_run,
)
