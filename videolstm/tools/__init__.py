"""Programs that make data, each run as `python -m videolstm.tools.NAME`."""
