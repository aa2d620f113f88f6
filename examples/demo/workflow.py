# SPDX-License-Identifier: MIT-0
"""The service of the demo: FastAPI with a /health that answers once start-up is over.

Run as `python3 workflow.py`. Host and port come from the environment, as the manifest sets them.
"""

import asyncio
import os

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.on_event("startup")
async def load():
    print("loading the workflows", flush=True)
    await asyncio.sleep(1)


@app.get("/health")
def health():
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(app, host=os.environ["APP_HOST"], port=int(os.environ["APP_PORT"]))
