// Finding a private key and reading what it is, within one session: the common part of key.cc, public_key.cc
// and pkcs11_signer.cc.
#pragma once

#include "hsm/cryptoki.h"
#include "hsm/key.h"

namespace hallmark {

// kInvalidArgument (CONFIGURATION_INVALID) when `uri` names no private key, or one of another token than `token`.
Status CheckNamesKey(const KeyUri& token, const KeyUri& uri);

// Sets `key` to the one private key that `uri` names on the token. Errors as key.h says; other values of the module as
// they are.
StatusOr<ReturnValue> FindPrivateKey(const Token& token, SessionHandle session, const KeyUri& uri,
                                     CK_OBJECT_HANDLE& key);

// Sets `attributes` to what the token says of `key`.
ReturnValue ReadKey(const Token& token, SessionHandle session, CK_OBJECT_HANDLE key, KeyAttributes& attributes);

// Sets `spki` to the SubjectPublicKeyInfo of `key`, whose attributes are read. Errors as ReadPublicKey says; other
// values of the module as they are.
StatusOr<ReturnValue> ReadSubjectPublicKeyInfo(const Token& token, SessionHandle session, CK_OBJECT_HANDLE key,
                                               const KeyAttributes& attributes, Bytes& spki);

// Sets `value` to an attribute, or to nothing when the token does not have it.
ReturnValue ReadIfPresent(const CK_FUNCTION_LIST& functions, SessionHandle session, CK_OBJECT_HANDLE object,
                          CK_ATTRIBUTE_TYPE type, Bytes& value);

// The DER of the OID of a curve (RFC 5480 2.1.1.1), as CKA_EC_PARAMS has it; empty for RSA.
ByteView EcParameters(KeyType type);

}  // namespace hallmark
