"""Reports: sections of tables and pictures as one page, with every number and figure as a file.

A report is a row of sections (`_section`), each with figures that are drawn from its tables
(`_plates`). `_sections` writes the figures, `_files` the tables and what made them, `_page` the
page. What is in a report, the stage says that makes it.
"""
