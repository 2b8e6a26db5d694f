"""How the site is made from these pages: `python3 -m nox -s docs`."""

project = "sst"
extensions = ["myst_parser"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["whole.css"]
html_title = "sst"
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
exclude_patterns = ["_site"]
# A link into a page is to one of its headings, as on GitHub.
myst_heading_anchors = 3
# The public page is as it was published: its title stands in front of it, and its headings begin at the third level.
myst_title_to_header = True
suppress_warnings = ["myst.header"]
