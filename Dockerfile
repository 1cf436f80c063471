# The server in an image: the Debian package, and what it depends on.
#
#   docker build -t tuplet .
#   docker run -d -p 4512:4512 -v tuplet:/data -e DENO_KV_ACCESS_TOKEN tuplet
#
# Options are arguments (`tuplet serve --data-dir /data --tokens-file …`) or the environment; see docs/operations.md.

FROM debian:bookworm-slim AS build
WORKDIR /src
# What the build needs changes less often than the sources.
COPY scripts/setup scripts/
RUN scripts/setup deb && rm -rf /var/lib/apt/lists/*
COPY . .
RUN scripts/deb

FROM debian:bookworm-slim
# Numbers that stay the same, since the files of a volume belong to them.
RUN groupadd --gid 4512 tuplet \
 && useradd --uid 4512 --gid tuplet --home-dir /data --shell /usr/sbin/nologin --no-create-home tuplet \
 && install -d -o tuplet -g tuplet -m 0750 /data
COPY --from=build /src/build/deb/tuplet_*.deb /tmp/
RUN apt-get update \
 && apt-get install -y --no-install-recommends systemd-standalone-sysusers /tmp/tuplet_*.deb \
 && rm -rf /tmp/tuplet_*.deb /var/lib/apt/lists/*

USER 4512:4512
WORKDIR /data
VOLUME /data
EXPOSE 4512
STOPSIGNAL SIGTERM
# In clear, whatever the clients' port speaks; for this container alone, unless it is set to another host.
ENV TUPLET_METRICS_ADDR=127.0.0.1:9464
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${TUPLET_METRICS_ADDR##*:} && printf 'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]
ENTRYPOINT ["tuplet"]
CMD ["serve", "--data-dir", "/data"]
