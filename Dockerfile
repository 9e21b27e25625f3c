# The image that devnet tools start: `docker run <image> node --network-dir /config --node-id lathe_0 ...`.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# x86-64-v3 (AVX2) runs on every server of the last ten years; an older machine needs its own build.
ARG RUSTFLAGS="-C target-cpu=x86-64-v3"
# The repository's history is not in the build; say which commit it is: --build-arg LATHE_COMMIT=$(git rev-parse --short=7 HEAD)
ARG LATHE_COMMIT=""
RUN case "$(uname -m)" in x86_64) ;; *) export RUSTFLAGS="" ;; esac; \
  cargo build --profile dist -p lathe && strip target/dist/lathe

# Not distroless: launchers expect /bin/sh, setsid and tail.
FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin lathe && install -d -o lathe -g lathe /data
COPY --from=build /src/target/dist/lathe /usr/local/bin/lathe
# A container's own loopback reaches nobody. What changes a node still needs a token (--admin-token-file).
ENV LATHE_HTTP_ADDRESS=0.0.0.0 LATHE_LISTEN_ADDR=0.0.0.0
# Another user is chosen with `docker run --user`; it has to own what is mounted at /data.
USER lathe
WORKDIR /data
VOLUME /data
EXPOSE 9000/udp 5052/tcp 5054/tcp
# Asks the API where LATHE_API_PORT says it is, else at 5052; a node with --api-port needs the variable instead.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["lathe", "health"]
ENTRYPOINT ["lathe"]
