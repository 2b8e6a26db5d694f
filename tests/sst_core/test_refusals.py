import pluggy

from sst_core import hookimpl, hookspecs
from sst_core.refusals import why_misfit


def test_an_optional_implementation_of_a_hook_that_there_is_not_is_no_misfit() -> None:
    class Plugin:
        @hookimpl(optionalhook=True)
        def on_another_versions_event(self) -> None:
            """For the hooks of another version."""

        @hookimpl
        def on_comand_finished(self) -> None:
            """Misspelt."""

    manager = pluggy.PluginManager("sst")
    manager.add_hookspecs(hookspecs)
    assert why_misfit(manager, Plugin()) == "there is no hook on_comand_finished; did you mean on_command_finished?"


def test_what_fits_is_passed_over() -> None:
    class Plugin:
        @hookimpl
        def on_command_finished(self, command: object) -> None:
            """As it should be, and first: they are looked at by name."""

        @hookimpl
        def on_command_invoked(self, comand: object) -> None:
            """With a misspelt argument."""

    manager = pluggy.PluginManager("sst")
    manager.add_hookspecs(hookspecs)
    assert why_misfit(manager, Plugin()) == "on_command_invoked has no argument comand; did you mean command?"
