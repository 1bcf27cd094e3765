// CMS SignedData (RFC 5652) without its content: what holds for whoever signed it.
#pragma once

#include <openssl/cms.h>

#include <filesystem>
#include <string>

#include "base/openssl.h"
#include "base/status.h"

namespace hallmark::signed_data {

// kInvalidArgument (MANIFEST_SIGNATURE_INVALID): it is none, has its content within, is longer than kSignatureLimit, or
// signs another type than data.
StatusOr<ssl::Cms> Read(ByteView der);

// Why a signer's algorithms or signed attributes are not taken; empty: they are. It takes SHA-256 or better, over
// signed attributes with contentType and messageDigest (RFC 5652 5.3) and not over the content itself.
std::string FaultOf(CMS_SignerInfo* signer);

// Whether each signer has signed the content, with a key among `certificates` or of a certificate within; whose these
// are is not looked at. kPermissionDenied (MANIFEST_SIGNATURE_INVALID), kFailedPrecondition (FILE_UNREADABLE). The
// content is read as a stream.
Status VerifyContent(CMS_ContentInfo* cms, STACK_OF(X509) * certificates, const std::filesystem::path& content_file);

}  // namespace hallmark::signed_data
