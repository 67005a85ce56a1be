#!/bin/sh
# Builds and pushes the images, and writes build/images.txt: a name and a reference by digest a line.
set -eu
. build/bases.env
names="console jobs"
[ "$EMBEDDER" = true ] && names="$names gpu-embedder"
gcloud auth configure-docker --quiet "${REGISTRY%%/*}" 2>/dev/null || true # the step's own credentials do elsewhere
: > build/images.txt
for name in $names; do
  tag="$REGISTRY/$name:$RELEASE-$(echo "$BUILD" | cut -c1-8)" # tags are never written twice
  DOCKER_BUILDKIT=1 docker build --file "containers/$name/Dockerfile" --build-arg "PYTHON_IMAGE=$PYTHON_IMAGE" \
    --label "org.opencontainers.image.title=sonicgen-$name" --label "org.opencontainers.image.licenses=MIT" \
    --label "org.opencontainers.image.revision=$RELEASE" --tag "$tag" .
  docker push --quiet "$tag"
  echo "$name $(docker inspect --format '{{index .RepoDigests 0}}' "$tag")" >> build/images.txt
done
cat build/images.txt
