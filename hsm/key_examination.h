// Examines the keys on a token that is logged in to: what each is, why one may not be used, whether its public key and
// its certificates fit, and how fast it signs. Makes no object.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/examined.h"
#include "hsm/key.h"
#include "hsm/signature_journal.h"
#include "hsm/token.h"

namespace hallmark {

// An object as a token lists it.
struct ObjectInformation {
  std::string object_class;  // "private", "public" or "cert", as RFC 7512 spells them
  std::string label;
  Bytes id;
};

// All private keys, public keys and certificates on the token, in no order. Errors as Token::Run.
StatusOr<std::vector<ObjectInformation>> ListObjects(Token& token);

// A key that must be on the token.
struct KeyToExamine {
  std::string authority;  // whose key it is
  std::string uri;        // RFC 7512
  Bytes public_key;       // the SubjectPublicKeyInfo of the authority's certificate, DER; empty: nothing to compare
};

struct TestSignatures {
  size_t count = 0;
  bool verified = false;
  Duration median;
  Duration slowest;
};

// A private key with its verdict, which is the worst of its findings.
struct ExaminedKey {
  KeyAttributes attributes;
  std::string authority;  // empty: of none that is known
  Judgement verdict = Judgement::kGood;
  bool has_public_key = false;
  std::optional<TestSignatures> signatures;
};

struct KeyExamination {
  std::vector<ExaminedKey> keys;  // all private keys on the token
  std::vector<ObjectInformation> objects;
  std::vector<Examined> findings;  // parts "keys", "key LABEL", "signature LABEL"
};

struct KeyExaminationOptions {
  std::vector<KeyToExamine> wanted;
  bool must_fit = true;  // a key of none of `wanted` must be fit for a CA, too; otherwise it is another program's
  bool sign = true;      // makes test signatures: with the wanted keys, else with one key of each type
  std::shared_ptr<SignatureJournal> journal;  // takes a line for each test signature, by "doctor:LABEL"; null: none
  std::vector<KeyException> exceptions;       // what the configuration accepts, to be warned of only
  size_t sessions = 1;                        // that signatures will be made with at a time
  std::function<void(const std::string&)> progress;
};

// A test signature is over the octets "Hallmark doctor test", a zero and 32 random octets, which begin no ASN.1
// SEQUENCE, so that it can never be the signature of a certificate or a CRL.
KeyExamination ExamineKeys(const std::shared_ptr<Token>& token, const KeyExaminationOptions& options);

// Why an attribute matters that CheckSafe refuses, and what to do; nothing for a key that is safe.
std::vector<std::string> Weaknesses(const KeyAttributes& key);

}  // namespace hallmark
