# The server in a small image, as a user without rights; and the relay that docker-compose.yml uses.

FROM rust:1.95-bookworm AS build
# The cryptographic library builds its C code with cmake on some platforms.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY model model
COPY profiles profiles
COPY src src
RUN cargo build --release --locked --bin vesta

FROM debian:bookworm-slim AS relay
RUN apt-get update \
    && apt-get install --yes --no-install-recommends socat \
    && rm -rf /var/lib/apt/lists/*
USER nobody
ENTRYPOINT ["socat"]

FROM debian:bookworm-slim AS vesta
# curl asks /readyz; certificates are for MongoDB over TLS.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin vesta \
    && install --directory --owner=vesta --group=vesta --mode=0700 /var/lib/vesta
COPY --from=build /build/target/release/vesta /usr/local/bin/vesta
USER vesta
WORKDIR /var/lib/vesta
ENV VESTA_STORE=embedded:/var/lib/vesta/data \
    VESTA_KEYS__FILE=/var/lib/vesta/master.key
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=5 \
    CMD ["curl", "--fail", "--silent", "--show-error", "http://127.0.0.1:8080/readyz"]
ENTRYPOINT ["vesta"]
CMD ["serve"]
