# Steersman's images.
#
#     docker build --target cpu --tag steersman .          # or --target cuda
#     docker run -e VLLM_API_KEY=KEY -p 8000:8000 steersman                           # the demo model
#     docker run -e VLLM_API_KEY=KEY -p 8000:8000 -v /models/my-model:/model steersman \
#         serve /model --host 0.0.0.0 --data-dir /var/lib/steersman                   # yours
#
# cuda wants `--gpus all`, and `--shm-size 1g` for more than one GPU. Keep /var/lib/steersman in a volume.
# Behind a private package index build with `--secret id=pip,src=pip.conf`.
# The steps are the scripts that `make setup` runs; `make docker-check` runs them without Docker.

FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PATH=/opt/steersman/venv/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PORT=8000 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /opt/steersman
EXPOSE 8000
# A large model loads for minutes; the first success ends the start period.
HEALTHCHECK --interval=10s --timeout=5s --start-period=600s --retries=3 \
    CMD ["python", "/opt/steersman/setup/healthcheck.py"]
ENTRYPOINT ["tini", "--", "steersman"]
# The bundled model is small: a fifth of the memory (of the GPU, or of the machine on the CPU) is plenty.
CMD ["serve", "/opt/steersman/models/demo-model", "--host", "0.0.0.0", "--port", "8000", \
     "--data-dir", "/var/lib/steersman", "--library", "/opt/steersman/library", \
     "--served-model-name", "demo", "--gpu-memory-utilization", "0.2"]
# --chmod and, below, --chown: whoever builds may keep files that only they can read.
COPY --chmod=755 deploy/setup/messages.sh deploy/setup/image_base.sh setup/
RUN setup/image_base.sh
COPY --chmod=755 deploy/setup/python.sh deploy/setup/install.sh deploy/setup/wheel.sh \
     deploy/setup/verify.py deploy/setup/healthcheck.py setup/

FROM base AS wheel
COPY requirements/build.lock requirements/
COPY pyproject.toml README.md LICENSE ./
COPY server server
COPY plugins plugins
COPY vectors/steersman_vectors vectors/steersman_vectors
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    setup/wheel.sh build dist

FROM base AS cpu
COPY requirements/cpu.lock requirements/cpu-torch.lock requirements/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    setup/install.sh cpu venv
COPY --from=wheel /opt/steersman/dist dist
RUN setup/wheel.sh install cpu venv dist
COPY --chown=10001:10001 vectors/demo-model models/demo-model
COPY --chown=10001:10001 vectors/library library
USER 10001

FROM base AS cuda
COPY requirements/cuda.lock requirements/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    setup/install.sh cuda venv
COPY --from=wheel /opt/steersman/dist dist
RUN setup/wheel.sh install cuda venv dist
COPY --chown=10001:10001 vectors/demo-model models/demo-model
COPY --chown=10001:10001 vectors/library library
USER 10001
