# The page in the browser: docker build -t colorizer . && docker run --rm -p 7860:7860 colorizer
FROM python:3.12-slim
WORKDIR /source
# What changes seldom comes first. Without its extra `and-cuda` TensorFlow runs on the CPU.
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
RUN pip install --no-cache-dir ".[app]" && useradd --uid 1000 --create-home colorizer
USER 1000
WORKDIR /home/colorizer
ENV PYTHONUNBUFFERED=1
EXPOSE 7860
ENTRYPOINT ["colorizer-app", "--host=0.0.0.0", "--port=7860"]
