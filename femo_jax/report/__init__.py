"""What happened in a frame log of `femo live`: intervals, shares of time, tables and a page; start with `log.py`."""
