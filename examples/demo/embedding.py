# SPDX-License-Identifier: MIT-0
"""The second service of the demo: FastAPI as it comes, so that /docs is all that can be asked.

Run as `python3 embedding.py`. Host and port come from the environment, as the manifest sets them.
"""

import os

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/embed")
def embed(text: str):
    return [float(ord(letter)) for letter in text]


if __name__ == "__main__":
    uvicorn.run(app, host=os.environ["APP_HOST"], port=int(os.environ["APP_PORT"]))
