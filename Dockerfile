# Serves models. For exported ones (.onnx), without PyTorch:
#   docker build -t longspan-onnx --target onnx . && docker run --rm -p 8000:8000 -v ./models:/models:ro longspan-onnx
# For all models; TORCH_OPTIONS tells pip where PyTorch's wheels for CPUs are, which are a tenth of those for GPUs:
#   docker build -t longspan --build-arg TORCH_OPTIONS="--index-url ..." .
FROM python:3.13-slim AS base
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1 LONGSPAN_CACHE=/tmp/longspan
RUN useradd --create-home --uid 10001 longspan
WORKDIR /app
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src ./src
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["longspan", "serve", "--host", "0.0.0.0"]

FROM base AS onnx
RUN python -m pip install -c constraints.txt onnxruntime numpy pillow polars narwhals typer soundfile soxr fastapi \
  uvicorn python-multipart && python -m pip install --no-deps .
USER 10001
CMD ["/models/model.onnx"]

FROM base AS full
ARG TORCH_OPTIONS=""
RUN python -m pip install $TORCH_OPTIONS torch torchvision && python -m pip install '.[serve,onnx,audio,text]'
USER 10001
CMD ["/models/model.safetensors"]
