# Two ways to the same image, a static binary and nothing else, for amd64 and arm64:
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=v1.2.3 -t flowwatch .
#                                                    builds everything
#   make image                                       takes what .ci/image-build has put into bin: linux-ARCH/flowwatch,
#                                                    linux-ARCH/flowwatch.cdx.json, ca-certificates.crt, an empty folder state
# GOTAGS=nogeo leaves the tables of countries and networks out of the binary.

FROM scratch AS base
ARG VERSION=dev
ARG REVISION=
LABEL org.opencontainers.image.title="flowwatch" \
      org.opencontainers.image.description="AWS VPC Flow Logs to Prometheus metrics and security findings" \
      org.opencontainers.image.source="https://github.com/flowwatch/flowwatch" \
      org.opencontainers.image.documentation="https://github.com/flowwatch/flowwatch/tree/main/docs" \
      org.opencontainers.image.vendor="flowwatch" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
EXPOSE 9464
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/flowwatch", "healthcheck"]
ENTRYPOINT ["/flowwatch"]

FROM base AS prebuilt
ARG TARGETARCH
COPY bin/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE NOTICE /
COPY bin/linux-${TARGETARCH}/flowwatch.cdx.json /flowwatch.cdx.json
COPY bin/linux-${TARGETARCH}/flowwatch /flowwatch
# The working folder belongs to the user, so that the default state folder
# (./state) can be made in it; mount a volume there to keep it.
COPY --chown=65532:65532 bin/state /var/lib/flowwatch
# For the demo, which keeps its state here: docker run --read-only --tmpfs /tmp.
COPY --chown=65532:65532 bin/state /tmp
WORKDIR /var/lib/flowwatch
USER 65532:65532

FROM --platform=${BUILDPLATFORM:-linux/amd64} golang:1.26 AS build
ARG VERSION=dev
ARG GOTAGS=
ARG TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY cmd ./cmd
COPY pipeline ./pipeline
COPY sinks ./sinks
RUN CGO_ENABLED=0 GOOS=linux GOARCH=${TARGETARCH} go build -trimpath -tags "${GOTAGS}" \
        -ldflags "-s -w -X main.version=${VERSION}" -o /out/flowwatch ./cmd/flowwatch \
    && go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 bin -json -std -noserial -notimestamp \
        -version "${VERSION}" -output /out/flowwatch.cdx.json /out/flowwatch \
    && mkdir /out/state

FROM base AS flowwatch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY LICENSE NOTICE /
COPY --from=build /out/flowwatch.cdx.json /flowwatch.cdx.json
COPY --from=build /out/flowwatch /flowwatch
COPY --from=build --chown=65532:65532 /out/state /var/lib/flowwatch
COPY --from=build --chown=65532:65532 /out/state /tmp
WORKDIR /var/lib/flowwatch
USER 65532:65532
