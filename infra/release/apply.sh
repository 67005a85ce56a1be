#!/bin/sh
# Applies Terraform: `candidate` is build/release.json with the console's traffic left where it is, `release` the same with
# all of it, `previous` the release before. Leaves Terraform's outputs in build/outputs.json.
set -eu
what=$1
[ "$what" = candidate ] && file=release || file=$what
file="$(pwd)/build/$file.json"
[ -e "$file" ] || { echo "There is no $what release; what was applied stays."; exit 1; }
cd infra/terraform
terraform init -input=false -backend-config="bucket=$PROJECT_ID-terraform"
set -- -var-file="environments/$ENVIRONMENT.tfvars" -var-file="$file"
if [ "$what" = candidate ]; then
  # What serves now is what was applied last; nothing was before the first release.
  serving=$(terraform output -raw console_revision 2>/dev/null) || serving=""
  case "$serving" in console-*) set -- "$@" -var="console_serving_revision=$serving" ;; esac
fi
terraform apply -input=false -auto-approve "$@"
terraform output -json > ../../build/outputs.json
