# ivrbot with its embedded engines and RHVoice. Build: docker build -t ivrbot .
# Run: docs/how-to/run-in-production.md (host network: pages and API answer on loopback only).

# --- build: the virtual environment, the source and the models -----------------------------------------------
FROM debian:trixie-slim AS build

RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/ivrbot
COPY requirements.lock ./
RUN python3 -m venv .venv \
 && .venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE rollout.yaml ./
COPY ivrbot ivrbot
COPY flows flows
COPY nlu_data nlu_data
COPY audio_prompts audio_prompts
COPY deploy deploy
# Editable, so that flows, training data and recordings beside the package are found where they lie.
RUN .venv/bin/pip install --no-cache-dir --no-deps --editable . \
 && .venv/bin/python -m compileall -q ivrbot

# In the image, not at first start: a container then starts without a network. Hashes are checked.
RUN IVRBOT_DATA_DIR=/tmp IVRBOT_MODELS__DIR=/opt/ivrbot/models .venv/bin/ivrbot models pull

# --- run -----------------------------------------------------------------------------------------------------
FROM debian:trixie-slim

# RHVoice lies in non-free: the training of its voices cannot be repeated from what is published.
RUN sed -i 's/^Components: main$/Components: main non-free/' /etc/apt/sources.list.d/debian.sources \
 && apt-get update \
 && apt-get install --yes --no-install-recommends python3 libgomp1 librhvoice5 rhvoice-russian rhvoice-english \
 && rm -rf /var/lib/apt/lists/*

RUN useradd --system --user-group --home-dir /var/lib/ivrbot --create-home --shell /usr/sbin/nologin ivrbot

COPY --from=build /opt/ivrbot /opt/ivrbot

# A named folder: rollout.yaml, and ivrbot.toml when there is one, are read from here.
WORKDIR /opt/ivrbot
ENV PATH=/opt/ivrbot/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV IVRBOT_DATA_DIR=/var/lib/ivrbot
ENV IVRBOT_MODELS__DIR=/opt/ivrbot/models
ENV PYTHONUNBUFFERED=1

RUN ivrbot flows check && ivrbot rollout check

USER ivrbot
VOLUME /var/lib/ivrbot
EXPOSE 8080 9092
# The supervisor hands SIGTERM on: new calls go elsewhere, running ones finish. Give it time (docker stop --time 600).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('IVRBOT_WEB__PORT', '8080') + '/healthz', timeout=2)"]
ENTRYPOINT ["ivrbot"]
CMD ["serve"]
