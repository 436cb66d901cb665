# Sourced: images made by hand, since no registry is asked for anything.

# oci_archive ROOT OUT NAME CONFIG makes an archive of an image of one layer, the folder ROOT; CONFIG is what the image says of
# its container: Entrypoint, User, Env.
oci_archive() {
  local root=$1 out=$2 name=$3 config=$4 d=$2.parts
  mkdir -p "$d/blobs/sha256"
  tar -C "$root" --mtime=@0 --owner=0 --group=0 -cf "$d/layer.tar" .
  blob() { local h; h=$(sha256sum "$1" | cut -d' ' -f1); cp "$1" "$d/blobs/sha256/$h"; printf '"digest":"sha256:%s","size":%d' "$h" "$(stat -c %s "$1")"; }
  printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$("${GO:-go}" env GOARCH)" "$config" "$(sha256sum "$d/layer.tar" | cut -d' ' -f1)" >"$d/config.json"
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar",%s}]}' \
    "$(blob "$d/config.json")" "$(blob "$d/layer.tar")" >"$d/manifest.json"
  printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"},%s}]}' \
    "$name" "${name##*:}" "$(blob "$d/manifest.json")" >"$d/index.json"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$d/oci-layout"
  tar -C "$d" -cf "$out" oci-layout index.json blobs
  rm -rf "$d"
}
