# Two ways to the same image, a static binary and nothing else:
#   docker build --build-arg VERSION=v1.2.3 -t flowwatch .     builds everything
#   docker build --target prebuilt -t flowwatch .              takes bin/flowwatch, bin/ca-certificates.crt
#                                                              and an empty folder bin/state (.ci/image makes all three)

FROM scratch AS base
ARG VERSION=dev
LABEL org.opencontainers.image.title="flowwatch" \
      org.opencontainers.image.description="AWS VPC Flow Logs to Prometheus metrics and security findings" \
      org.opencontainers.image.source="https://github.com/flowwatch/flowwatch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
EXPOSE 9464
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/flowwatch", "healthcheck"]
ENTRYPOINT ["/flowwatch"]

FROM base AS prebuilt
COPY bin/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE NOTICE /
COPY bin/flowwatch /flowwatch
# The working folder belongs to the user, so that the default state folder
# (./state) can be made in it; mount a volume there to keep it.
COPY --chown=65532:65532 bin/state /var/lib/flowwatch
WORKDIR /var/lib/flowwatch
USER 65532:65532

FROM golang:1.26 AS build
ARG VERSION=dev
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd ./cmd
COPY pipeline ./pipeline
COPY sinks ./sinks
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/flowwatch ./cmd/flowwatch \
    && mkdir /out/state

FROM base AS flowwatch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE NOTICE /
COPY --from=build /out/flowwatch /flowwatch
COPY --from=build --chown=65532:65532 /out/state /var/lib/flowwatch
WORKDIR /var/lib/flowwatch
USER 65532:65532
