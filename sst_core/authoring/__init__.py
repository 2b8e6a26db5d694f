"""`sst plugins`: for whoever writes a plugin, or has one that misbehaves.

No plugin but the product's own is imported into this command's process, so that it works where a plugin breaks every
other command: each is loaded in a process of its own.

    survey ── what is installed, and what of it a command would import ──┬──> list
    loading ── one plugin, loaded by `loaded` in a process of its own ───┤
    diagnosis ── what is wrong with it, and what to do ──────────────────┴──> doctor
    package ── a new one, from `template/` ─────────────────────────────────> new
"""
