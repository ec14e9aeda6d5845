# Training and evaluation on CPUs, with oneDNN's kernels on x86-64; see docs/deploy.md.
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY requirements/lite.txt requirements/
COPY femo_jax femo_jax
COPY docker/install.sh docker/
RUN docker/install.sh train /opt/femo

# Without the compiler.
FROM python:3.12-slim-bookworm AS train
COPY --from=build /opt/femo /opt/femo
ENV PATH=/opt/femo/bin:$PATH HOME=/tmp FEMO_CACHE=/opt/femo/cache
WORKDIR /data
USER 1000:1000
ENTRYPOINT ["femo"]
CMD ["train", "--help"]
