#!/usr/bin/env bash
# Makes a release in dist/VERSION: binaries for linux, darwin and windows, SBOMs, licences, the image's archives and digests, the
# changelog's section, the manifests, checksums of all of it. Two releases of one commit with one Go version are the same
# byte for byte. Nothing is uploaded.
#   release.sh VERSION       vMAJOR.MINOR.PATCH; CHANGELOG.md must have its section, and overlays/production name it
#   release.sh --last VERSION      once VERSION is tagged: writes its commit into `last`, from which test-rollout begins
set -Eeuo pipefail
trap 'echo "release.sh: line $LINENO: $BASH_COMMAND failed" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
only=
if [ "${1:-}" = --last ]; then only=last; shift; fi
version=${1:-}
die() { echo "release.sh: $*" >&2; exit 1; }
"$here/version.sh" "$version"
if [ "$only" = last ]; then
  commit=$(git -C "$root" rev-parse --verify --quiet "refs/tags/$version^{commit}") || die "there is no tag $version"
  sed -i "\$c $version $commit" "$here/last"
  git -C "$root" diff -- "$here/last"
  exit
fi
grep -q "newTag: $version}" "$root/deployments/overlays/production/kustomization.yaml" || die "deployments/overlays/production does not name $version"
out=$root/dist/$version
rm -rf "$out"
mkdir -p "$out"

awk -v v="${version#v}" '$1 == "##" { on = index($2, "[" v "]") == 1 } on' "$root/CHANGELOG.md" >"$out/CHANGES.md"
[ -s "$out/CHANGES.md" ] || die "CHANGELOG.md has no section [${version#v}]"
revision=$(git -C "$root" rev-parse HEAD)
[ -n "${DIRTY:-}" ] || [ -z "$(git -C "$root" status --porcelain)" ] || die "there are changes that are not committed"
export SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct)
pack=(tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w -cf)

VERSION=$version "$here/sbom.sh" "$out"
"$here/licences.sh" "$out"/*.cdx.json >"$out/licences.txt"
"$here/licences.sh" --texts >"$out/third-party-licences.txt"
for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64; do
  name=release-forwarder_${version}_${platform/\//_} exe=
  [ "${platform%/*}" != windows ] || exe=.exe
  mkdir "$out/$name"
  GOOS=${platform%/*} GOARCH=${platform#*/} CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off nice "${GO:-go}" -C "$root" build -trimpath \
    -buildvcs=false -ldflags="-s -w -X main.version=$version -X main.revision=$revision" -o "$out/$name/release-forwarder$exe" ./cmd/release-forwarder
  # For lane developers: the contract and an event to begin with. Their PCs run Windows.
  cp "$root"/{LICENSE,README.md,docs/event.md,docs/event.zh.md,docs/producers/event.json} "$out/third-party-licences.txt" "$out/$name/"
  if [ "$exe" ]; then
    "${GO:-go}" run "$here/zip.go" "$out/$name.zip" "$out/$name"
  else
    "${pack[@]}" - -C "$out" "$name" | gzip -n9 >"$out/$name.tar.gz"
  fi
  rm -rf "${out:?}/$name"
done
VERSION=$version REVISION=$revision "$here/image.sh" build "$out" >/dev/null
"${pack[@]}" - -C "$out" oci | gzip -n9 >"$out/release-forwarder_${version}_image.oci.tar.gz"
rm -rf "$out/oci"
for arch in amd64 arm64; do gzip -n9 "$out/image-$arch.tar"; mv "$out/image-$arch.tar.gz" "$out/release-forwarder_${version}_image_linux_$arch.tar.gz"; done
mv "$out/digests" "$out/image-digests.txt"
"$here/deployments.sh" "$(awk '$1 == "index" { print $2 }' "$out/image-digests.txt")" "$out/deployments"
"${pack[@]}" - -C "$out" deployments | gzip -n9 >"$out/release-forwarder_${version}_deployments.tar.gz"
rm -rf "$out/deployments"
(cd "$out" && find . -type f ! -name SHA256SUMS -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS)
ls -la "$out"
