"""Exits 0 when the server in this container answers /health, 1 with the reason when it does not."""

import os
import sys
import urllib.error
import urllib.request

url = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/health"
try:
    with urllib.request.urlopen(url, timeout=4) as answer:
        sys.exit(0 if answer.status == 200 else f"{url} answered {answer.status}")
except (urllib.error.URLError, TimeoutError, OSError) as error:
    sys.exit(f"{url} does not answer: {error}")
