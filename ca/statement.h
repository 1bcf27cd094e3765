// Statements: what an authority's key signs that is no X.509, e.g. the transcript of a ceremony. Law 2 of the design
// keeps X.509 to Seal; this file keeps everything else apart from X.509.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "ca/draft.h"

namespace hallmark {

// The octets that are signed: `domain`, an octet 0, and the SHA-256 of `content`. `domain` is a constant that begins
// with a letter: what Seal signs begins with the octet of a SEQUENCE, 0x30, so that neither can ever be taken for the
// other. See docs/decisions/0010-ceremony-transcripts.md.
Bytes StatementOctets(std::string_view domain, ByteView content);

// Signs a statement and verifies the signature under `key`'s public key. Returns it in the form of Signer::Sign. Errors
// as Seal; kInternal (INTERNAL) for a domain that does not begin with a letter.
StatusOr<Bytes> SignStatement(std::string_view domain, ByteView content, const SigningKey& key, Time deadline);

bool VerifyStatement(std::string_view domain, ByteView content, const PublicKey& key, SignatureAlgorithm algorithm,
                     ByteView signature);

}  // namespace hallmark
