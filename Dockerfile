# The image of Kymaros: `docker build -t kymaros .`

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package kymaros

# The same Debian release as the builder's, so that the program finds the C library it was linked with.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/kymaros /kymaros
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
ENTRYPOINT ["/kymaros"]
CMD ["operator"]
