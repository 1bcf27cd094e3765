#include "publish/bundle_steps.h"

#include <fmt/format.h>

namespace hallmark {
namespace {

constexpr char kSteps[] = R"md(# Publish `{authority}` by hand

Hallmark of the realm `{realm}` made this folder with `hallmark publish bundle`. It holds what a cloud needs to let in the
devices that the authority `{authority}` certifies. Nothing in it is secret.

| file | subject | SHA-1 thumbprint | valid until |
|---|---|---|---|
{table}
`chain.pem` is what a device sends after its own certificate: the certificates above, in this order. {parts}

## 1. Check the folder

    sha256sum -c SHA256SUMS
    openssl cms -verify -binary -inform DER -in manifest.p7s -content manifest.json -CAfile {signer} -out /dev/null

The second command proves that the service signed `manifest.json`, which has the digest of every file, provided that the root is
the right one: compare its SHA-256 with one that you got another way, e.g. by telephone.

    {root_sha256}

The signer's certificate lives for a year; after that, make the folder anew.

## 2. Azure Device Provisioning Service, in the portal

1. Open your Device Provisioning Service, **Certificates**, **Add**. Name: `{authority}`. File: `{authority}.cer`. Leave **Set certificate
   status to verified on upload** off: the proof below is what shows that the key is yours.
2. Compare the thumbprint that the portal shows: `{thumbprint}`.
3. Open the certificate, **Generate verification code**, and copy the code, 48 characters.
4. Have it certified, here or by an operator elsewhere who sends you the file. The code goes stale when anybody asks for
   another:

       hallmark publish bundle . --code CODE

5. Upload `possession-CODE.pem` as the verification certificate, **Verify**. The status becomes *Verified*.
6. **Manage enrollments**, **Enrollment groups**, **Add**. Attestation: X.509 certificates uploaded to this service. Primary
   certificate: `{authority}`. Group name: `{authority}`, or as you like.

## 3. The same with az

    RESOURCE_GROUP=...
    DPS=...
    az iot dps certificate create --resource-group "$RESOURCE_GROUP" --dps-name "$DPS" \
      --certificate-name {authority} --path {authority}.cer
    ETAG=$(az iot dps certificate show --resource-group "$RESOURCE_GROUP" --dps-name "$DPS" \
      --certificate-name {authority} --query etag --output tsv)
    CODE=$(az iot dps certificate generate-verification-code --resource-group "$RESOURCE_GROUP" --dps-name "$DPS" \
      --certificate-name {authority} --etag "$ETAG" --query properties.verificationCode --output tsv)
    hallmark publish bundle . --code "$CODE"
    ETAG=$(az iot dps certificate show --resource-group "$RESOURCE_GROUP" --dps-name "$DPS" \
      --certificate-name {authority} --query etag --output tsv)
    az iot dps certificate verify --resource-group "$RESOURCE_GROUP" --dps-name "$DPS" \
      --certificate-name {authority} --path "possession-$CODE.pem" --etag "$ETAG"
    az iot dps enrollment-group create --resource-group "$RESOURCE_GROUP" --dps-name "$DPS" \
      --enrollment-id {authority} --ca-name {authority}

`publish.sh` does all of it, checks the folder first, and does what is left when it is run again:

    bash publish.sh RESOURCE_GROUP DPS [ENROLLMENT_GROUP]

## 4. AWS IoT Core

    CODE=$(aws iot get-registration-code --query registrationCode --output text)
    hallmark publish bundle . --code "$CODE"
    openssl x509 -inform DER -in {authority}.cer | aws iot register-ca-certificate --ca-certificate file:///dev/stdin \
      --verification-certificate "file://possession-$CODE.pem" --set-as-active --allow-auto-registration

## 5. Try it with a device

Its own certificate first, then `chain.pem`, in one file; its registration id is the CN of its certificate.

    cat ../device.crt chain.pem > ../device-chain.crt

A device must send the chain up to a certificate that is verified in the cloud; `{authority}.cer` is, and more does no harm.
)md";

constexpr char kScript[] = R"sh(
usage() {
  echo "usage: bash publish.sh RESOURCE_GROUP DPS [ENROLLMENT_GROUP]" >&2
  echo "  az: logged in, with the extension azure-iot; hallmark: an operator's, \$HALLMARK_CONTEXT says whose" >&2
  exit 2
}
[[ $# -eq 2 || $# -eq 3 ]] || usage
resource_group=$1
dps=$2
enrollment_group=${3:-$authority}

# Paths of a context are relative to where the caller stands, so it stays there.
folder=$(dirname "${BASH_SOURCE[0]}")

certificate() {
  local verb=$1
  shift
  az iot dps certificate "$verb" --resource-group "$resource_group" --dps-name "$dps" \
    --certificate-name "$authority" --output tsv "$@"
}
group() {
  local verb=$1
  shift
  az iot dps enrollment-group "$verb" --resource-group "$resource_group" --dps-name "$dps" \
    --enrollment-id "$enrollment_group" --output none "$@"
}

(cd "$folder" && sha256sum --check --quiet SHA256SUMS)
openssl cms -verify -binary -inform DER -in "$folder/manifest.p7s" -content "$folder/manifest.json" \
  -CAfile "$folder/$signer_root" -out /dev/null 2> /dev/null || {
  echo "manifest.p7s does not verify: export the bundle anew" >&2
  exit 1
}

present=$(certificate show --query properties.thumbprint 2> /dev/null || true)
if [[ -z $present ]]; then
  echo "uploading $authority.cer as $authority"
  certificate create --path "$folder/$authority.cer" > /dev/null
elif [[ ${present^^} != "$thumbprint" ]]; then
  echo "$dps has another certificate called $authority, thumbprint $present; remove it, or publish under a new name" >&2
  exit 1
fi

verified=$(certificate show --query properties.isVerified)
if [[ ${verified,,} != true ]]; then
  etag=$(certificate show --query etag)
  code=$(certificate generate-verification-code --etag "$etag" --query properties.verificationCode)
  "${HALLMARK:-hallmark}" publish bundle "$folder" --code "$code"
  etag=$(certificate show --query etag)
  certificate verify --path "$folder/possession-$code.pem" --etag "$etag" > /dev/null
  echo "$authority is verified"
fi

if group show > /dev/null 2>&1; then
  echo "enrollment group $enrollment_group is there already and was left as it is"
else
  group create --ca-name "$authority"
  echo "enrollment group $enrollment_group lets in what $authority certifies"
fi
)sh";

// In a cell of a table in Markdown.
std::string CellText(const std::string& text) {
  std::string cell;
  for (const char c : text) cell += c == '|' ? std::string("\\|") : std::string(1, c);
  return cell;
}

std::string TableText(const std::vector<BundleCertificate>& chain) {
  std::string text;
  for (const BundleCertificate& certificate : chain) {
    text += fmt::format("| `{}.cer` | {} | `{}` | {} |\n", certificate.name, CellText(certificate.subject),
                        certificate.sha1, Rfc3339(certificate.not_after));
  }
  return text;
}

}  // namespace

std::string StepsText(const BundleTexts& texts) {
  const char* parts = texts.chain.size() > 1 ? "`root.pem` is the last of them, `intermediates.pem` the others."
                                             : "`root.pem` is the same, since the authority is a root.";
  using fmt::arg;
  return fmt::format(fmt::runtime(kSteps), arg("authority", texts.authority), arg("realm", texts.realm),
                     arg("table", TableText(texts.chain)), arg("parts", parts), arg("signer", texts.signer_root),
                     arg("root_sha256", texts.signer_root_sha256), arg("thumbprint", texts.chain.front().sha1));
}

std::string PublishScript(const BundleTexts& texts) {
  const BundleCertificate& certificate = texts.chain.front();
  return fmt::format(
             "#!/usr/bin/env bash\n"
             "# Publishes the authority {0} of Hallmark's realm {1} in an Azure Device Provisioning Service with az:\n"
             "# uploads its certificate, proves that its key is ours, and makes an enrollment group. Safe to repeat.\n"
             "set -euo pipefail\n\n"
             "authority='{0}'\nthumbprint='{2}'  # SHA-1 of {0}.cer, as Azure shows it\nsigner_root='{3}'\n",
             certificate.name, texts.realm, certificate.sha1, texts.signer_root) +
         kScript;
}

}  // namespace hallmark
