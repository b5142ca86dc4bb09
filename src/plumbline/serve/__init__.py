"""A trained run as a local web page and a JSON endpoint: pictures in, classes out, nothing kept.

Needs FastAPI, uvicorn and python-multipart (`pip install 'plumbline[serve]'`), which are imported inside the
functions that need them.
"""
