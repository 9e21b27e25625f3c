# The image that devnet tools start: `docker run <image> node --network-dir /config --node-id lathe_0 ...`.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# x86-64-v3 (AVX2) runs on every server of the last ten years; an older machine needs its own build.
ARG RUSTFLAGS="-C target-cpu=x86-64-v3"
RUN case "$(uname -m)" in x86_64) ;; *) export RUSTFLAGS="" ;; esac; cargo build --profile dist -p lathe

# Not distroless: launchers expect /bin/sh, setsid and tail.
FROM debian:bookworm-slim
COPY --from=build /src/target/dist/lathe /usr/local/bin/lathe
VOLUME /data
EXPOSE 9000/udp 5052/tcp 5054/tcp
ENTRYPOINT ["lathe"]
