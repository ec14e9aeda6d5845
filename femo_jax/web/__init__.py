"""A live view in the browser and an HTTP API; `server.py` serves, `app.py` answers requests, `view.py` is between."""
